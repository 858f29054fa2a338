//! Builds the agent's ramdisk: `cargo run -p underlay-cli --example ramdisk -- KERNEL.deb AGENT OUT`.

use underlay_cli::ramdisk::{Options, build};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<std::path::PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    let [kernel_deb, agent, out] = paths.try_into().map_err(|_| "usage: ramdisk KERNEL.deb AGENT OUT")?;
    let built = build(&Options { kernel_deb, agent, out })?;
    println!(
        "{} modules, kernel {} bytes, initramfs {} bytes",
        built.modules.len(),
        built.vmlinuz.size,
        built.initrd.size
    );
    Ok(())
}
