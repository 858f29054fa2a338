# By its name, or by its id.
terraform import underlay_site.berlin name/berlin
