//! A provider that keeps things in files: the smallest one that shows everything the SDK offers.
//!
//! | file | what |
//! |---|---|
//! | `provider.rs` | the provider and its configuration |
//! | `store.rs` | things in files, so that they outlive the several processes of one command |
//! | `thing.rs` | the resource `thing_thing` |
//! | `lookup.rs` | the data source `thing_thing` |
//! | `token.rs` | the ephemeral resource `thing_token` |
//! | `shout.rs` | the function `shout` |

mod lookup;
mod provider;
mod shout;
mod store;
mod thing;
mod token;

fn main() -> std::process::ExitCode {
    tfplugin::serve::main(provider::Things, "registry.terraform.io/example/thing")
}
