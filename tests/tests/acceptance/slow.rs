//! Objects that are late, fail, are interrupted, killed, tainted, replaced. An image that is held back stands for all: what
//! comes of it is the same code for every noun.

use std::{os::unix::process::CommandExt, process::Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use underlay_tests::{Run, Server, Terraform, Web, sha256, until};

use crate::image;

const IMPATIENT: &str = "timeouts = { create = \"1s\", update = \"1s\" }";

fn tainted(terraform: &Terraform) -> bool {
    terraform.state().contains("\"status\": \"tainted\"")
}

#[test]
fn what_is_late_is_kept_and_taken_up_again() {
    let (server, web) = (Server::start(), Web::start());
    let Some(terraform) = Terraform::new(&server) else { return };
    let (url, sha256) = web.put("a.raw", &[1; 4096]);
    web.hold();
    terraform.configure(&image(&url, &sha256, IMPATIENT));
    terraform
        .apply()
        .expect(0)
        .says("Warning: image debian is not ready")
        .says("underlay watch image/debian");
    assert!(!tainted(&terraform));
    terraform.plan().expect(2).says("0 to add, 1 to change, 0 to destroy");
    terraform.apply().expect(1).says("Error: image debian is not ready");
    assert!(!tainted(&terraform));
    web.release();
    until("the image is ready", || server.operate(&["get", "images"]).contains("ready"));
    terraform.plan().expect(0);
    assert_eq!(server.names("images"), ["debian"]);
}

#[test]
fn what_failed_is_tried_again_in_place() {
    let (server, web) = (Server::start(), Web::start());
    let Some(terraform) = Terraform::new(&server) else { return };
    let (url, good) = web.put("a.raw", &[1; 4096]);
    let wrong = sha256(b"something else");
    terraform.configure(&image(&url, &wrong, ""));
    terraform.apply().expect(0).says("Warning: image debian is not ready: it failed");
    assert!(!tainted(&terraform));
    assert_eq!(terraform.attribute("underlay_image", "phase"), "failed");
    terraform.apply().expect(1).says("Error: image debian is not ready: it failed");
    assert!(!tainted(&terraform));
    terraform.configure(&image(&url, &good, ""));
    terraform.apply().expect(0).says("0 added, 1 changed, 0 destroyed");
    terraform.plan().expect(0);
}

#[test]
fn an_interrupt_of_the_whole_group_keeps_what_was_begun() {
    let (server, web) = (Server::start(), Web::start());
    let Some(terraform) = Terraform::new(&server) else { return };
    let (url, sha256) = web.put("a.raw", &[1; 4096]);
    web.hold();
    terraform.configure(&image(&url, &sha256, ""));
    let run = signalled(&terraform, &server, Signal::INT);
    run.says("image debian is not ready: interrupted");
    assert!(!tainted(&terraform));
    assert!(!terraform.attribute("underlay_image", "object_id").is_empty());
    web.release();
    terraform.apply().expect(0).says("0 added, 1 changed, 0 destroyed");
    terraform.plan().expect(0);
}

#[test]
fn what_a_killed_apply_left_is_adopted() {
    let (server, web) = (Server::start(), Web::start());
    let Some(terraform) = Terraform::new(&server) else { return };
    let (url, sha256) = web.put("a.raw", &[1; 4096]);
    web.hold();
    terraform.configure(&image(&url, &sha256, ""));
    signalled(&terraform, &server, Signal::KILL);
    assert!(terraform.attribute("underlay_image", "object_id").is_empty(), "nothing was saved");
    web.release();
    terraform.run(&["apply", "-no-color", "-auto-approve", "-lock=false"]).expect(0).says("1 added");
    terraform.run(&["plan", "-no-color", "-detailed-exitcode", "-lock=false"]).expect(0);
    assert_eq!(server.names("images"), ["debian"], "no second one");
}

/// Applies in a process group of its own, and signals that once the server has the image.
fn signalled(terraform: &Terraform, server: &Server, signal: Signal) -> Run {
    let mut command = terraform.command(&["apply", "-no-color", "-auto-approve"]);
    let child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    until("the server has the image", || server.names("images") == ["debian"]);
    kill_process_group(group, signal).unwrap();
    Run::of(&child.wait_with_output().unwrap())
}

#[test]
fn tainted_and_replaced_it_is_made_anew_and_nothing_is_left_over() {
    let (server, web) = (Server::start(), Web::start());
    let Some(terraform) = Terraform::new(&server) else { return };
    let (url, sha256) = web.put("a.raw", &[1; 4096]);
    terraform.configure(&image(&url, &sha256, ""));
    terraform.apply().expect(0);
    let first = terraform.attribute("underlay_image", "object_id");
    terraform.run(&["taint", "-no-color", "underlay_image.debian"]).expect(0);
    terraform.apply().expect(0).says("1 added, 0 changed, 1 destroyed");
    let second = terraform.attribute("underlay_image", "object_id");
    assert_ne!(first, second);
    terraform
        .run(&["apply", "-no-color", "-auto-approve", "-replace=underlay_image.debian"])
        .expect(0)
        .says("1 added, 0 changed, 1 destroyed");
    terraform.plan().expect(0);
    assert_eq!(server.names("images"), ["debian"]);
}

#[test]
fn created_before_it_is_destroyed_it_is_refused_and_survives() {
    let (server, web) = (Server::start(), Web::start());
    let Some(terraform) = Terraform::new(&server) else { return };
    let (url, sha256) = web.put("a.raw", &[1; 4096]);
    let first = image(&url, &sha256, "lifecycle {\n    create_before_destroy = true\n  }");
    terraform.configure(&first);
    terraform.apply().expect(0);
    terraform.plan().expect(0);
    let id = terraform.attribute("underlay_image", "object_id");
    terraform
        .run(&["apply", "-no-color", "-auto-approve", "-replace=underlay_image.debian"])
        .expect(1)
        .says("Unable to create image debian");
    assert_eq!(server.names("images"), ["debian"]);
    terraform.plan().expect(0);
    assert_eq!(terraform.attribute("underlay_image", "object_id"), id);
}
