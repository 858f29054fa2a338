//! Compiles the protocol files in `proto/` with a compiler written in Rust, so no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["tfplugin6.proto", "controller.proto", "stdio.proto", "broker.proto"];
    let descriptors = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure().build_transport(false).compile_fds(descriptors)?;
    for file in files {
        println!("cargo::rerun-if-changed=proto/{file}");
    }
    Ok(())
}
