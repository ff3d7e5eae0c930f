/*
 * The program in the lab's VM: guest DIRTY_PAGES TICK_MS. The protocol of the simulated guest (test/simxen/domain/guest.ts)
 * on UDP port 7000:
 *
 *   ask CLIENT N         answered by: answer CLIENT N seq=S ticks=T boot=HEX
 *                        a repeated N gets the same answer again, an older one none, a new one raises seq
 *   poweroff, reboot, crash
 *
 * Beyond it, what it says unasked, once a tick, a number that only rises:
 *
 *   word N boot=HEX      as a datagram to each address that has sent: listen
 *                        as a line to each TCP connection on port 7001
 *
 * Everything it knows is in its memory: only a restored checkpoint carries it on.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { PORT = 7000, TELL_PORT = 7001, PAGE = 4096, CLIENTS = 64, ID_BYTES = 32, WINDOW = 8, LISTENERS = 4 };

struct client {
  char id[ID_BYTES];
  unsigned long long n, seq, ticks, stamp;
};

static struct client clients[CLIENTS];
static unsigned long long seq, ticks, stamp;
static uint32_t boot;
static unsigned char *load;
static unsigned long dirty_pages;
/* Who hears the words; port 0, or -1: nobody. The newest takes the place of the oldest. */
static struct sockaddr_in listeners[LISTENERS];
static int connections[LISTENERS];
static unsigned next_listener, next_connection;

/* The client's entry, or a free one, or the one not heard of for longest. */
static struct client *entry_of(const char *id)
{
  struct client *oldest = &clients[0];
  for (int i = 0; i < CLIENTS; i++) {
    struct client *one = &clients[i];
    if (one->id[0] == '\0' || strcmp(one->id, id) == 0)
      return one;
    if (one->stamp < oldest->stamp)
      oldest = one;
  }
  memset(oldest, 0, sizeof *oldest);
  return oldest;
}

static int ask(const char *id, unsigned long long n, char *out, size_t size)
{
  struct client *one = entry_of(id);
  int is_new = one->id[0] == '\0';
  if (!is_new && n < one->n)
    return 0;
  if (is_new || n > one->n) {
    snprintf(one->id, sizeof one->id, "%s", id);
    one->n = n;
    one->seq = ++seq;
    one->ticks = ticks;
    one->stamp = ++stamp;
  }
  return snprintf(out, size, "answer %s %llu seq=%llu ticks=%llu boot=%08x", id, n, one->seq, one->ticks, boot);
}

static void tick(void)
{
  ticks++;
  for (unsigned long i = 0; i < dirty_pages; i++)
    memcpy(load + ((ticks * dirty_pages + i) % (dirty_pages * WINDOW)) * PAGE, &ticks, sizeof ticks);
}

static void listen_to(const struct sockaddr_in *from)
{
  for (int i = 0; i < LISTENERS; i++)
    if (listeners[i].sin_port == from->sin_port && listeners[i].sin_addr.s_addr == from->sin_addr.s_addr)
      return;
  listeners[next_listener++ % LISTENERS] = *from;
}

static void connected(int tcp)
{
  int fd = accept4(tcp, NULL, NULL, SOCK_NONBLOCK);
  int *place = &connections[next_connection % LISTENERS];
  if (fd < 0)
    return;
  if (*place >= 0)
    close(*place);
  *place = fd;
  next_connection++;
}

static void tell(int udp)
{
  char line[64];
  int size = snprintf(line, sizeof line, "word %llu boot=%08x\n", ticks, boot);
  for (int i = 0; i < LISTENERS; i++) {
    if (listeners[i].sin_port != 0)
      sendto(udp, line, (size_t)size, MSG_DONTWAIT, (struct sockaddr *)&listeners[i], sizeof listeners[i]);
    /* Half a line would be a lie: who does not read any more is let go. */
    if (connections[i] >= 0 && send(connections[i], line, (size_t)size, MSG_NOSIGNAL) != size) {
      close(connections[i]);
      connections[i] = -1;
    }
  }
}

static void crash(void)
{
  int fd = open("/proc/sysrq-trigger", O_WRONLY);
  if (fd < 0 || write(fd, "c", 1) != 1)
    perror("guest: crash");
}

static void answer(int udp)
{
  char in[128], out[160], id[ID_BYTES];
  unsigned long long n;
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  ssize_t got = recvfrom(udp, in, sizeof in - 1, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
  if (got < 0)
    return;
  in[got] = '\0';
  if (sscanf(in, "ask %31s %llu", id, &n) == 2) {
    int size = ask(id, n, out, sizeof out);
    if (size > 0)
      sendto(udp, out, (size_t)size, MSG_DONTWAIT, (struct sockaddr *)&from, length);
  } else if (strcmp(in, "listen") == 0) {
    listen_to(&from);
  } else if (strcmp(in, "poweroff") == 0) {
    reboot(RB_POWER_OFF);
  } else if (strcmp(in, "reboot") == 0) {
    reboot(RB_AUTOBOOT);
  } else if (strcmp(in, "crash") == 0) {
    crash();
  }
}

int main(int argc, char **argv)
{
  long tick_ms = argc > 2 ? atol(argv[2]) : 100;
  dirty_pages = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
  load = calloc(dirty_pages * WINDOW + 1, PAGE);
  if (load == NULL || tick_ms <= 0)
    return 2;
  if (getrandom(&boot, sizeof boot, GRND_NONBLOCK) != (ssize_t)sizeof boot)
    boot = (uint32_t)getpid() ^ (uint32_t)(uintptr_t)load;
  struct timespec step = {tick_ms / 1000, tick_ms % 1000 * 1000000L};
  struct itimerspec every = {step, step};
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  struct sockaddr_in told = {.sin_family = AF_INET, .sin_port = htons(TELL_PORT)};
  struct pollfd fds[3] = {{timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), POLLIN, 0},
                          {socket(AF_INET, SOCK_DGRAM, 0), POLLIN, 0},
                          {socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), POLLIN, 0}};
  memset(connections, -1, sizeof connections);
  if (timerfd_settime(fds[0].fd, 0, &every, NULL) != 0 || bind(fds[1].fd, (struct sockaddr *)&here, sizeof here) != 0 ||
      bind(fds[2].fd, (struct sockaddr *)&told, sizeof told) != 0 || listen(fds[2].fd, LISTENERS) != 0) {
    perror("guest");
    return 1;
  }
  for (;;) {
    uint64_t late;
    if (poll(fds, 3, -1) < 0)
      continue;
    if (fds[0].revents != 0 && read(fds[0].fd, &late, sizeof late) == (ssize_t)sizeof late) {
      tick();
      tell(fds[1].fd);
    }
    if (fds[1].revents != 0)
      answer(fds[1].fd);
    if (fds[2].revents != 0)
      connected(fds[2].fd);
  }
}
