terraform import 'underlay_network.boot' name/boot
