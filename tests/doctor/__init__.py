"""Tests of what `hydria doctor` and `hydria openstack check` find."""
