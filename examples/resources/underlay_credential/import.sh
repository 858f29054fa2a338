terraform import 'underlay_credential.bmc' name/rack-1-bmc
