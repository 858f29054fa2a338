//! Pools as a user has them: the real Terraform, a real server, simulated machines. Hosts are chosen by need, a misfit is
//! said in the plan, what is claimed stays claimed, a pool is imported, and nothing is left.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Write;

use underlay_tests::{Simulated, Terraform, rack::image::Image};

fn terraform(rack: &Simulated) -> Option<Terraform> {
    Terraform::at(format!("unix://{}", rack.path("api.sock").display()))
}

/// The operator's part: three machines of the rack in a pool.
fn estate(rack: &Simulated, pool: &str) -> String {
    let password = rack.password();
    let mut hcl = format!(
        "resource \"underlay_pool\" \"general\" {{\n  name = \"general\"\n  {pool}\n}}\n\
         resource \"underlay_credential\" \"bmc\" {{\n  name = \"bmc\"\n  username = \"root\"\n  \
         password_wo = \"{password}\"\n  password_wo_version = 1\n}}\n"
    );
    for machine in rack.machines() {
        let text = |field: &str| machine[field].as_str().unwrap();
        let name = text("name");
        write!(
            hcl,
            "resource \"underlay_host\" \"{name}\" {{\n  name = \"{name}\"\n  pool = underlay_pool.general.name\n  \
             labels = {{ rack = \"{}\" }}\n  identity = {{ serial = \"{}\" }}\n  redfish = {{ address = \"{}\", \
             credential = underlay_credential.bmc.name, system = \"{}\" }}\n}}\n",
            text("rack"),
            text("serial"),
            text("bmc_address"),
            text("system"),
        )
        .unwrap();
    }
    hcl
}

/// The tenant's part: `count` machines that need so many CPUs.
fn machines(rack: &Simulated, image: &Image, count: usize, cpus: u32) -> String {
    let hosts: Vec<_> = rack
        .machines()
        .iter()
        .map(|machine| format!("underlay_host.{}", machine["name"].as_str().unwrap()))
        .collect();
    let spec = image.spec();
    format!(
        "resource \"underlay_image\" \"os\" {{\n  name = \"os\"\n  source = {{ url = \"{}\", sha256 = \"{}\" }}\n}}\n\
         resource \"underlay_machine\" \"web\" {{\n  count = {count}\n  name = \"web-${{count.index}}\"\n  \
         image = underlay_image.os.id\n  require = {{ pool = underlay_pool.general.name, cpus = {cpus}, \
         memory = \"1GiB\" }}\n  spread = {{ label = \"rack\" }}\n  \
         depends_on = [{}]\n}}\n\
         output \"hosts\" {{\n  value = sort(underlay_machine.web[*].host)\n}}\n",
        spec.url,
        spec.sha256,
        hosts.join(", ")
    )
}

#[test]
fn a_pool_gives_hosts_by_need_and_the_plan_tells_what_it_cannot_give() {
    let rack = Simulated::start(&["--machines", "3", "--per-rack", "1", "--pace", "instant"]);
    let image = Image::make(&rack.images(), "small", 4).unwrap();
    let Some(terraform) = terraform(&rack) else { return };

    terraform.configure(&(estate(&rack, "") + &machines(&rack, &image, 2, 4)));
    terraform.apply().expect(0);
    let hosts = terraform.run(&["output", "-json", "hosts"]).expect(0);
    let given: Vec<String> = serde_json::from_str(hosts.text.trim()).unwrap();
    assert_eq!(given.len(), 2);
    assert_ne!(given[0], given[1]);
    terraform.plan().expect(0);

    // Less than it has, or more than anybody has: what is claimed stays claimed, and nothing is disrupted.
    terraform.configure(&(estate(&rack, "max_disrupted = \"50%\"") + &machines(&rack, &image, 2, 4096)));
    terraform.plan().expect(2).says("cpus").says("max_disrupted");
    terraform.apply().expect(0);
    terraform.plan().expect(0);
    assert_eq!(terraform.run(&["output", "-json", "hosts"]).expect(0).text, hosts.text);

    // A third one finds nothing that large: the plan says so, and so does nobody else's apply.
    terraform.configure(&(estate(&rack, "max_disrupted = \"50%\"") + &machines(&rack, &image, 3, 4096)));
    terraform.plan().expect(2).says("would wait for a host of pool general").says("4096 needed");

    terraform.configure(&(estate(&rack, "max_disrupted = \"50%\"") + &machines(&rack, &image, 3, 4)));
    terraform.apply().expect(0);
    terraform.plan().expect(0);

    // A state that lost its pool has it again by its name.
    terraform.run(&["state", "rm", "underlay_pool.general"]).expect(0);
    terraform.run(&["import", "underlay_pool.general", "name/general"]).expect(0);
    terraform.plan().expect(0);

    terraform.destroy().expect(0);
    for machine in rack.machines() {
        let seen = rack.machine(machine["name"].as_str().unwrap());
        assert_eq!(seen["power"], "off", "{seen}");
    }
}

#[test]
fn what_says_both_or_nothing_of_its_host_is_refused_where_it_is_written() {
    let rack = Simulated::start(&["--machines", "1", "--pace", "instant"]);
    let Some(terraform) = terraform(&rack) else { return };
    let machine = |more: &str| {
        format!(
            "resource \"underlay_machine\" \"web\" {{\n  name = \"web\"\n  image = \"os@sha256:{}\"\n  {more}\n}}\n",
            "a".repeat(64)
        )
    };
    for (more, said) in [
        ("", "says nothing of its host"),
        ("host = \"r1\"\n  require = { pool = \"general\" }", "both names a host and says what it must be"),
        ("host = \"r1\"\n  spread = { label = \"rack\" }", "names its host"),
        ("require = { pool = \"nowhere\" }", "there is no pool \"nowhere\""),
    ] {
        terraform.configure(&machine(more));
        terraform.plan().expect(1).says(said);
    }
    terraform.configure("resource \"underlay_pool\" \"p\" {\n  name = \"p\"\n  max_disrupted = \"0%\"\n}\n");
    terraform.plan().expect(1).says("must be a number from 1");
}
