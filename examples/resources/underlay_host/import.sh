# By name, MAC address, serial number or UUID. Importing never power-cycles.
terraform import underlay_host.lab name/lab-1
terraform import 'underlay_host.r1["u7"]' serial/ABC-u7
terraform import 'underlay_host.r1["u7"]' mac/52:54:00:12:34:56
terraform import 'underlay_host.r1["u7"]' uuid/4c4c4544-0042-3510-8052-b4c04f4e4d32
