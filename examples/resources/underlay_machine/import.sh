terraform import 'underlay_machine.web[0]' name/web-0
