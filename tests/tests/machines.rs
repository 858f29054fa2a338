//! Machines whose create came late or failed, under the real terraform on real parts: applied again, replaced, tainted,
//! created before they are destroyed, destroyed. No machine is ever imaged that nobody asked for, and nothing leaks.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use underlay_proto::v1 as pb;
use underlay_tests::{
    Terraform,
    rack::{PATIENCE, client::phase, image::Image, needs, segment::Segment, server::Server},
};

const NAME: &str = "underlay_machine.web";

/// One host, one image, and the machine on it with `more` in its block.
fn configuration(image: &pb::ImageSpec, more: &str) -> String {
    format!(
        r#"
resource "underlay_image" "small" {{
  name   = "small"
  source = {{ url = "{}", sha256 = "{}" }}
}}
resource "underlay_host" "lab" {{
  name = "lab-1"
  boot = {{ mode = "bios" }}
  qemu = {{ cpus = 1, memory = "512MiB", disks = ["256MiB"] }}
}}
resource "underlay_machine" "web" {{
  name             = "web-0"
  image            = underlay_image.small.id
  host             = underlay_host.lab.name
  wait_for         = "written"
  allow_disruption = "erase_root"
  {more}
}}
"#,
        image.url, image.sha256
    )
}

fn is_tainted(terraform: &Terraform) -> bool {
    terraform.state().contains("\"status\": \"tainted\"")
}

fn id(machine: &pb::Machine) -> String {
    machine.meta.clone().unwrap_or_default().id
}

fn deployments(machine: &pb::Machine) -> u64 {
    machine.status.as_ref().map_or(0, |status| status.deployments)
}

/// The disks of all hosts that the server keeps.
fn disks(server: &Server<'_>) -> Vec<PathBuf> {
    let hosts = std::fs::read_dir(server.data().join("qemu")).into_iter().flatten().flatten();
    hosts.map(|host| host.path().join("disk0.raw")).filter(|disk| disk.exists()).collect()
}

/// Destroys everything, and looks for what is left.
async fn destroy(terraform: &Terraform, server: &Server<'_>) -> Result<()> {
    terraform.destroy().expect(0);
    ensure!(server.client().machine("web-0").await.is_err(), "the machine is left over");
    ensure!(disks(server).is_empty(), "disks are left over: {:?}", disks(server));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_came_late_is_kept_and_then_erased_only_by_order() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&[])?;
    let server = Server::start(&segment, &[]).await?;
    let Some(terraform) = Terraform::at(server.socket()) else { return Ok(()) };
    let image = Image::make(&server.images(), "small", 8)?;
    let client = server.client();

    terraform.configure(&configuration(&image.spec(), "timeouts = { create = \"1s\", update = \"1s\" }"));
    terraform.apply().expect(0).says("Warning: machine web-0 is not ready: it took longer than 1s");
    ensure!(!is_tainted(&terraform), "late is not tainted");
    let late = client.machine("web-0").await?;
    terraform.apply().expect(1).says("Error: machine web-0 is not ready: it took longer than 1s");
    ensure!(!is_tainted(&terraform), "late is not tainted");

    terraform.configure(&configuration(&image.spec(), ""));
    terraform.apply().expect(0).says("0 added, 1 changed, 0 destroyed");
    terraform.plan().expect(0);
    let ready = client.machine_ready("web-0", PATIENCE).await?;
    ensure!((id(&ready), deployments(&ready)) == (id(&late), 1), "taken up, not made anew: {ready:#?}");
    let disk = disks(&server).pop().context("the host has a disk")?;
    image.is_on(&disk)?;

    // Its successor would need its name and its host, so it is refused before anything is touched.
    terraform.configure(&configuration(&image.spec(), "lifecycle {\n    create_before_destroy = true\n  }"));
    terraform.plan().expect(0);
    let replace = format!("-replace={NAME}");
    let replace = ["apply", "-no-color", "-auto-approve", replace.as_str()];
    terraform.run(&replace).expect(1).says("Unable to create machine web-0");
    let kept = client.machine("web-0").await?;
    ensure!((id(&kept), deployments(&kept), phase(&kept)) == (id(&ready), 1, "ready"), "{kept:#?}");
    image.is_on(&disk)?;
    terraform.plan().expect(0);

    terraform.configure(&configuration(&image.spec(), ""));
    terraform.run(&["taint", "-no-color", NAME]).expect(0);
    terraform.plan().expect(2).says("1 to add, 0 to change, 1 to destroy");
    terraform.apply().expect(0).says("1 added, 0 changed, 1 destroyed");
    terraform.plan().expect(0);
    let second = client.machine_ready("web-0", PATIENCE).await?;
    ensure!(id(&second) != id(&ready) && deployments(&second) == 1, "made anew, imaged once: {second:#?}");
    destroy(&terraform, &server).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_failed_is_tried_again_replaced_and_mended_in_place() -> Result<()> {
    if !needs::met(&[]) {
        return Ok(());
    }
    let segment = Segment::new(&[])?;
    let server = Server::start(&segment, &[]).await?;
    let Some(terraform) = Terraform::at(server.socket()) else { return Ok(()) };
    let image = Image::make(&server.images(), "small", 8)?;
    let client = server.client();

    // Nobody knows the host's disks until the agent was there; it finds none like that, and writes nothing.
    let wrong = configuration(&image.spec(), "root = { serial = \"no-such-disk\" }");
    terraform.configure(&wrong);
    terraform.apply().expect(0).says("Warning: machine web-0 is not ready: it failed");
    ensure!(!is_tainted(&terraform), "failed is not tainted");
    let first = client.machine("web-0").await?;
    ensure!((phase(&first), deployments(&first)) == ("failed", 0), "{first:#?}");
    // By now the disks are known, so that the mistake shows in the plan.
    terraform.plan().expect(1).says("root");

    terraform.run(&["taint", "-no-color", NAME]).expect(0);
    terraform.configure(
        &wrong.replace("\n  root", "\n  lifecycle {\n    create_before_destroy = true\n  }\n  root"),
    );
    terraform.apply().expect(1);
    let kept = client.machine("web-0").await?;
    ensure!((id(&kept), phase(&kept)) == (id(&first), "failed"), "the failed one is still there: {kept:#?}");

    terraform.run(&["untaint", "-no-color", NAME]).expect(0);
    terraform.configure(&configuration(&image.spec(), ""));
    terraform.apply().expect(0).says("0 added, 1 changed, 0 destroyed");
    terraform.plan().expect(0);
    let mended = client.machine_ready("web-0", PATIENCE).await?;
    ensure!((id(&mended), deployments(&mended)) == (id(&first), 1), "mended in place: {mended:#?}");
    image.is_on(&disks(&server).pop().context("the host has a disk")?)?;

    terraform
        .run(&["apply", "-no-color", "-auto-approve", &format!("-replace={NAME}")])
        .expect(0)
        .says("1 added, 0 changed, 1 destroyed");
    let second = client.machine_ready("web-0", PATIENCE).await?;
    ensure!(id(&second) != id(&mended) && deployments(&second) == 1, "made anew: {second:#?}");
    destroy(&terraform, &server).await
}
