# By its name, or by its id.
terraform import underlay_step.register name/register
