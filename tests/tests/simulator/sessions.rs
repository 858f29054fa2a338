//! Sessions at a BMC, which has few: a server has one for a host, ends it when it stops and when the host goes.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use underlay_tests::until;

use crate::rig::Rig;

/// One request to a BMC that speaks plain HTTP: its head and its body.
fn ask(address: &str, request: &str, headers: &str, body: &str) -> Result<(String, String)> {
    let host = address.strip_prefix("http://").context("it is plain")?;
    let mut line = TcpStream::connect(host)?;
    line.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        line,
        "{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    line.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    Ok((head.to_lowercase(), body.to_owned()))
}

/// How many are open, but for the one with which that is asked; it is ended.
fn open(address: &str, password: &str) -> Result<u64> {
    const LIST: &str = "/redfish/v1/SessionService/Sessions";
    let login = serde_json::json!({ "UserName": "root", "Password": password }).to_string();
    let (head, made) = ask(address, &format!("POST {LIST}"), "", &login)?;
    let token = head.lines().find_map(|line| line.strip_prefix("x-auth-token: ")).context("a token")?;
    let headers = format!("X-Auth-Token: {token}\r\n");
    let (_, list) = ask(address, &format!("GET {LIST}"), &headers, "")?;
    let made: serde_json::Value = serde_json::from_str(&made)?;
    let path = made["@odata.id"].as_str().context("a session")?;
    ask(address, &format!("DELETE {path}"), &headers, "")?;
    let list: serde_json::Value = serde_json::from_str(&list)?;
    Ok(list["Members@odata.count"].as_u64().context("a count")? - 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_has_one_session_for_a_host_and_leaves_none_behind() -> Result<()> {
    let mut rig = Rig::start(&[], &["--machines", "1", "--model", "generic", "--pace", "instant"]).await?;
    let address = rig.rack.machines()[0]["bmc_address"].as_str().context("an address")?.to_owned();
    let password = rig.rack.password();
    ensure!(open(&address, &password)? == 1, "one, however much was asked");
    rig.rack.stop_server();
    ensure!(open(&address, &password)? == 0, "it was ended with the server");
    rig.rack.resume_server();
    rig.deploy("r1u1").await?;
    ensure!(open(&address, &password)? == 1);
    rig.client.delete_machine("r1u1").await?;
    let free = |host: &underlay_proto::v1::Host| {
        host.status.as_ref().is_some_and(|status| status.machine.is_empty())
    };
    rig.client.host_when("r1u1", crate::rig::PATIENCE, free).await?;
    rig.client.delete_host("r1u1", crate::rig::PATIENCE).await?;
    until("the host's session is ended", || open(&address, &password).is_ok_and(|open| open == 0));
    Ok(())
}
