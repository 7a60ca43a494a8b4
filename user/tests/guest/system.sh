# What only a whole system has: init, devices, mounts, names.
uname; uname -n; uname -r
test -d /proc/1 && echo process 1
echo to the results >/dev/null && echo null works
test -c /dev/console && echo console
test -c /dev/zero && echo zero
cat /proc/self/nothing 2>/dev/null || echo nothing there
mkdir -p /tmp/deep/a/b/c; cd /tmp/deep/a/b/c; pwd; cd ../../..; pwd; rm -r /tmp/deep
kill -0 1 && echo init lives
kill -9 1; kill -TERM 99999 2>/dev/null || echo nobody there
kill -0 1 && echo init lives still
