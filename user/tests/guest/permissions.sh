# What another user may do; the expected output is Linux's, where all user ids exist.
mkdir -p /tmp/permissions; cd /tmp/permissions
/tests/identities other
