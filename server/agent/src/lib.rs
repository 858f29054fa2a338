//! The program that runs in RAM on a host: inventory, imaging, reboot.
