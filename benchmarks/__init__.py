"""Measurements that anyone can run again; nothing in ferjax imports them."""
