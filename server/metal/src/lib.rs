//! Machines and hosts: controllers, BMC drivers, DHCP, TFTP and HTTP boot.
