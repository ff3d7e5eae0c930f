/** What Pacemaker's history of fencing proves. The history lives as long as the cluster runs. */

export interface FenceEvent {
  readonly target: string;
  readonly action: string;
  /** As Pacemaker prints it: success, failed, pending. */
  readonly status: string;
  /** As Pacemaker prints it; sorts by time. */
  readonly completed: string;
}

/** Of these nodes, those that nobody has been seen to fence. */
export function unproven(nodes: readonly string[], events: readonly FenceEvent[]): string[] {
  const proven = new Set(
    events.filter(({ status }) => status === 'success').map(({ target }) => target),
  );
  return nodes.filter((node) => !proven.has(node));
}

/** The newest attempt to fence each node. */
export function lastFencing(events: readonly FenceEvent[]): readonly FenceEvent[] {
  const newest = new Map<string, FenceEvent>();
  for (const event of events) {
    const known = newest.get(event.target);
    if (known === undefined || known.completed < event.completed) newest.set(event.target, event);
  }
  return [...newest.values()];
}
