//! A provider that the program attaches to.

use tfplugin::serve::{Debug, Transport};

use crate::{cli::Cli, provider::Things};

const ADDRESS: &str = "registry.terraform.io/example/thing";

async fn attached(transport: Transport) {
    let debug = Debug::start(Things, &address(), transport).await.unwrap();
    let reattach = debug.reattach().to_owned();
    tokio::task::spawn_blocking(move || {
        let Some(cli) = Cli::attached(&reattach) else { return };
        let directory = cli.things().display().to_string();
        cli.configure(&format!(
            "provider \"thing\" {{\n  directory = \"{directory}\"\n}}\nresource \"thing_thing\" \"a\" {{\n  name = \"a\"\n}}"
        ));
        cli.apply().expect(0);
        cli.plan().expect(0);
        // The provider outlives the runs it serves.
        cli.run(&["destroy", "-no-color", "-auto-approve"]).expect(0);
        assert!(cli.names().is_empty());
    })
    .await
    .unwrap();
    debug.stop().await.unwrap();
}

/// OpenTofu looks under its own registry's name.
fn address() -> String {
    let program = std::env::var("TF_BIN").unwrap_or_default();
    if program.contains("tofu") {
        ADDRESS.replace("terraform.io", "opentofu.org")
    } else {
        ADDRESS.to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_provider_is_attached_to_over_a_unix_socket() {
    attached(Transport::Unix).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_provider_is_attached_to_over_tcp() {
    attached(Transport::Tcp).await;
}
