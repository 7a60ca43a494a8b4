# The disk is filled twice, and the space comes back each time.
mkdir /full; cd /full
/tests/exhaustion disk
ls
rm -r /full
mkdir /full; cd /full
/tests/exhaustion disk | tail -n 3
cd /; rm -r /full; sync
