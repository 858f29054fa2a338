//! `terraform-provider-underlay`: the program that Terraform and OpenTofu start.

use std::process::ExitCode;

use terraform_provider_underlay::{ADDRESS, Underlay};

fn main() -> ExitCode {
    tfplugin::serve::main(Underlay, ADDRESS)
}
