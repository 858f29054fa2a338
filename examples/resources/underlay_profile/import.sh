# By its name, or by its id.
terraform import underlay_profile.base name/base
