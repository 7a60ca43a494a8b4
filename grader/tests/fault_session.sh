ls / | wc -l; echo hi > /root/x; cat /root/x | tr a-z A-Z
(sleep 1; cat /root/x) & ls -l /root > /root/l
mkdir /root/d; mv /root/x /root/d/y; cat < /root/d/y >> /root/l; wait
rm -r /root/d /root/l
for i in 1 2 3; do seq 20 | sort -r | head -2; done
ln -s /etc/passwd /root/p; wc -l /root/p; cp /root/p /root/q; cmp /root/q /etc/passwd && echo same
sleep 100 & kill $!; wait; sync
