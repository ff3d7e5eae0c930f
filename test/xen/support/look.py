# In a dom0: for each line on stdin a line with the domains that exist, asked of the hypervisor itself:
#   DOMID:FLAGS ...   flags: p paused, s shut down or suspended, d dying; none: it executes guest code
import glob
import sys

sys.path[:0] = glob.glob('/usr/lib/xen-*/lib/python')
import xen.lowlevel.xc

xc = xen.lowlevel.xc.xc()
print('looking', flush=True)
for _ in sys.stdin:
    words = []
    for one in xc.domain_getinfo(1):
        flags = ''.join(flag for flag, key in (('p', 'paused'), ('s', 'shutdown'), ('d', 'dying')) if one[key])
        words.append('%d:%s' % (one['domid'], flags))
    print(' '.join(words), flush=True)
