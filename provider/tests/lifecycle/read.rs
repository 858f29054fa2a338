//! Gone, unreachable, coalesced, imported; data sources.

use terraform_provider_underlay::{
    Config, Underlay,
    data::{HostModel, HostsModel, ImageModel, MachineModel},
};
use tfplugin::{
    Attr,
    cty::Value,
    testing::{Action, Core},
};

use crate::rig::{A, DEBIAN, LAB, Rig, WEB, host, image, machine, says, text, told};

#[tokio::test]
async fn what_is_gone_is_planned_anew() {
    let mut rig = Rig::new().await;
    rig.core.converge(LAB, &host()).await.unwrap();
    rig.server.world(|world| world.hosts.rows.clear());
    assert_eq!(rig.core.plan(LAB, &host()).await.unwrap().action, Action::Create);
}

#[tokio::test]
async fn a_server_that_is_down_is_an_error_and_never_a_difference() {
    let mut rig = Rig::new().await;
    rig.core.converge(LAB, &host()).await.unwrap();
    let address = rig.server.address;
    let (mut core, stopped) = rig.lose_server().await;
    let error = told(&core.plan(LAB, &host()).await.unwrap_err());
    let endpoint = format!("http://{address}");
    says(
        &error,
        &[
            "Unable to read host lab-1",
            &endpoint,
            "nothing listens there",
            "underlay serve",
            "UNDERLAY_ENDPOINT",
        ],
    );
    assert!(core.instance(LAB).is_some());
    let error = told(&core.plan("underlay_host.other", &host()).await.unwrap_err());
    says(&error, &["Unable to plan host lab-1", "nothing listens there"]);

    let _server = stopped.start().await;
    core.expect_empty(LAB, &host()).await.unwrap();
}

#[tokio::test]
async fn a_bmc_that_does_not_answer_is_no_difference() {
    let mut rig = Rig::new().await;
    rig.core.converge(LAB, &host()).await.unwrap();
    rig.server.world(|world| {
        let status = world.hosts.named("lab-1").unwrap().object.status.as_mut().unwrap();
        status.power = "unknown".to_owned();
        let reason = "no answer".to_owned();
        status.conditions.push(underlay_proto::v1::Condition {
            name: "Reachable".to_owned(),
            reason,
            ..Default::default()
        });
    });
    rig.core.expect_empty(LAB, &host()).await.unwrap();
    let config = HostModel { name: "lab-1".into(), ..Default::default() };
    let seen = rig.core.read_data("underlay_host", &config).await.unwrap();
    let condition = seen.get("conditions").and_then(Value::elements).and_then(|all| all.first()).unwrap();
    assert_eq!(condition.get("reason"), Some(&Value::from("no answer")));
    assert_eq!(seen.get("power"), Some(&Value::from("unknown")));
}

#[tokio::test]
async fn reads_at_the_same_time_are_one_call() {
    let mut rig = Rig::new().await;
    rig.core.converge(LAB, &host()).await.unwrap();
    let before = rig.server.batches();
    let service = rig.core.service().clone();
    let state = rig.core.instance(LAB).unwrap().state.clone();
    let ty = tfplugin::schema::Block::of::<terraform_provider_underlay::resources::host_model::Model>();
    let msgpack = tfplugin::cty::to_msgpack(&state, ty.ty()).unwrap();
    let read = || {
        use tfplugin::proto::tfplugin6::{DynamicValue, provider_server::Provider, read_resource::Request};
        let current_state = Some(DynamicValue { msgpack: msgpack.clone(), json: Vec::new() });
        let request = Request { type_name: "underlay_host".to_owned(), current_state, ..Default::default() };
        let service = service.clone();
        async move { service.read_resource(tonic::Request::new(request)).await.unwrap().into_inner() }
    };
    let answers = futures::future::join_all((0..10).map(|_| read())).await;
    assert!(answers.iter().all(|answer| answer.diagnostics.is_empty()));
    assert_eq!(rig.server.batches() - before, 1);
}

#[tokio::test]
async fn each_noun_is_imported_and_the_plan_is_empty() {
    let mut rig = Rig::new().await;
    rig.core.converge(LAB, &host()).await.unwrap();
    rig.core.converge(DEBIAN, &image(A)).await.unwrap();
    rig.core.converge(WEB, &machine()).await.unwrap();
    let mut other = crate::rig::state(&rig.server).await;
    let gib = terraform_provider_underlay::resources::host_model::Model {
        qemu: host().qemu.map(|qemu| terraform_provider_underlay::resources::host_model::Qemu {
            memory: "1GiB".into(),
            ..qemu
        }),
        ..host()
    };
    for id in ["name/lab-1", "lab-1", "serial/1-bal", &rig.text(LAB, "id")] {
        other.import(LAB, id).await.unwrap();
        other.expect_empty(LAB, &gib).await.unwrap();
    }
    other.import(DEBIAN, &format!("debian@sha256:{A}")).await.unwrap();
    other.expect_empty(DEBIAN, &image(A)).await.unwrap();
    other.import(WEB, "web-0").await.unwrap();
    let config =
        terraform_provider_underlay::resources::machine_model::Model { timeouts: Attr::Null, ..machine() };
    other.expect_empty(WEB, &config).await.unwrap();
}

#[tokio::test]
async fn an_import_of_nothing_says_how_to_name_things() {
    let mut rig = Rig::new().await;
    says(&told(&rig.core.import(LAB, "ip/10.0.0.1").await.unwrap_err()), &["mac/MAC, serial/SERIAL"]);
    says(&told(&rig.core.import(LAB, "nobody").await.unwrap_err()), &["no host \"nobody\" of owner default"]);
}

#[tokio::test]
async fn data_sources_show_what_stands_now() {
    let mut rig = Rig::new().await;
    rig.core.converge(LAB, &host()).await.unwrap();
    rig.core.converge(DEBIAN, &image(A)).await.unwrap();
    rig.core.converge(WEB, &machine()).await.unwrap();
    let config = MachineModel { name: "web-0".into(), ..Default::default() };
    let seen = rig.core.read_data("underlay_machine", &config).await.unwrap();
    assert_eq!(seen.get("deployed_image"), seen.get("image"));
    let config = ImageModel { name: "debian".into(), ..Default::default() };
    let seen = rig.core.read_data("underlay_image", &config).await.unwrap();
    assert_eq!(seen.get("id"), Some(&Value::from(format!("debian@sha256:{A}"))));
    let all = rig.core.read_data("underlay_hosts", &HostsModel::default()).await.unwrap();
    assert_eq!(all.get("hosts").and_then(Value::elements).map(<[_]>::len), Some(1));
    let none = HostsModel { pool: "general".into(), ..Default::default() };
    let none = rig.core.read_data("underlay_hosts", &none).await.unwrap();
    assert_eq!(none.get("hosts").and_then(Value::elements).map(<[_]>::len), Some(0));
    let missing = HostModel { name: "nobody".into(), ..Default::default() };
    says(
        &told(&rig.core.read_data("underlay_host", &missing).await.unwrap_err()),
        &["There is no host nobody"],
    );
}

#[tokio::test]
async fn a_provider_that_is_not_known_yet_plans_what_is_new() {
    let mut core = Core::start(Underlay).await.unwrap();
    core.configure(&Config { endpoint: Attr::Unknown, ..Default::default() }).await.unwrap();
    let change = core.plan(WEB, &machine()).await.unwrap();
    assert_eq!(change.action, Action::Create);
    says(&text(&change.diagnostics), &[]);
}
