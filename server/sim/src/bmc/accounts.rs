//! The AccountService (DSP2046, `AccountService`, `ManagerAccount` and `Role`): one account that can log in, whose password can
//! really be changed, beside an empty slot, which many BMCs list too. An account that failed too often is locked for a while.

use std::time::Duration;

use http::{Method, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    reply::{Reply, collection, healthy},
    service::Request,
};
use crate::{fault::AccountFault, models::Etags};

const ACCOUNTS: &str = "/redfish/v1/AccountService/Accounts";
const ROLES: &str = "/redfish/v1/AccountService/Roles";
/// The roles that every service has (DSP0266, 13.2.4), with what each may do.
const PREDEFINED: [(&str, &[&str]); 3] = [
    (
        "Administrator",
        &["Login", "ConfigureManager", "ConfigureUsers", "ConfigureSelf", "ConfigureComponents"],
    ),
    ("Operator", &["Login", "ConfigureSelf", "ConfigureComponents"]),
    ("ReadOnly", &["Login", "ConfigureSelf"]),
];
/// The slot of the account that can log in; the one before it is empty.
const OURS: &str = "2";
/// How long a password may be.
const SHORTEST: usize = 8;
const LONGEST: usize = 64;
/// So many failures lock the account, for so long.
const FAILURES: u32 = 5;
const LOCKED: Duration = Duration::from_secs(300);

/// What a BMC remembers of its account.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// In place of the one it came with.
    password: Option<SecretString>,
    failures: u32,
    locked_since: Option<Instant>,
    version: u32,
}

/// Is it the login of the account, and is that not locked?
pub(super) fn is_login(request: &Request<'_>, user: &str, password: &str) -> bool {
    let login = &request.rack.spec.login;
    let locks_sooner = request.rack.faults.account(request.machine, AccountFault::LocksOut);
    let most = if locks_sooner { 2 } else { FAILURES };
    let mut state = request.machine.state();
    let known = state.bmc.extra.as_ref().and_then(|extra| extra.account.password.as_ref());
    let is_it = user == login.user && password == known.unwrap_or(&login.password).expose_secret();
    if is_it && state.bmc.extra.is_none() {
        return true;
    }
    let account = &mut state.bmc.extra().account;
    if account.locked_since.is_some_and(|since| since.elapsed() < LOCKED) {
        return false;
    }
    account.locked_since = None;
    account.failures = if is_it { 0 } else { account.failures + 1 };
    if account.failures >= most {
        account.locked_since = Some(Instant::now());
        account.failures = 0;
    }
    is_it
}

pub(super) fn answer(request: &Request<'_>, rest: &[&str]) -> Reply {
    let user = &request.rack.spec.login.user;
    match (&request.method, rest) {
        (&Method::GET, []) => Reply::ok(json!({
            "@odata.id": "/redfish/v1/AccountService",
            "@odata.type": "#AccountService.v1_13_0.AccountService",
            "Id": "AccountService",
            "Name": "Account Service",
            "ServiceEnabled": true,
            "Status": healthy(),
            "MinPasswordLength": SHORTEST,
            "MaxPasswordLength": LONGEST,
            "AccountLockoutThreshold": FAILURES,
            "AccountLockoutDuration": LOCKED.as_secs(),
            "Accounts": { "@odata.id": ACCOUNTS },
            "Roles": { "@odata.id": ROLES },
        })),
        (&Method::GET, ["Accounts"]) => {
            let members = ["1", OURS].map(|slot| format!("{ACCOUNTS}/{slot}"));
            Reply::ok(collection(ACCOUNTS, "ManagerAccountCollection", "Accounts", &members))
        }
        (&Method::GET, ["Accounts", "1"]) => show(request, "1", ""),
        (&Method::GET, ["Accounts", OURS]) => show(request, OURS, user),
        (&Method::PATCH, ["Accounts", OURS]) => change(request),
        (&Method::GET, ["Roles"]) => {
            let members = PREDEFINED.map(|(role, _)| format!("{ROLES}/{role}"));
            Reply::ok(collection(ROLES, "RoleCollection", "Roles", &members))
        }
        (&Method::GET, ["Roles", wanted]) => match PREDEFINED.iter().find(|(role, _)| role == wanted) {
            Some((role, privileges)) => Reply::ok(json!({
                "@odata.id": format!("{ROLES}/{role}"),
                "@odata.type": "#Role.v1_3_2.Role",
                "Id": role,
                "Name": format!("{role} Role"),
                "RoleId": role,
                "IsPredefined": true,
                "AssignedPrivileges": privileges,
            })),
            None => Reply::missing(&request.path),
        },
        (&Method::GET, _) => Reply::missing(&request.path),
        _ => Reply::not_allowed(),
    }
}

fn show(request: &Request<'_>, slot: &str, user: &str) -> Reply {
    let path = format!("{ACCOUNTS}/{slot}");
    let mut body = json!({
        "@odata.id": path,
        "@odata.type": "#ManagerAccount.v1_11_0.ManagerAccount",
        "Id": slot,
        "Name": "User Account",
        "UserName": user,
        "Password": Value::Null,
        "Enabled": !user.is_empty(),
        "Locked": is_locked(request) && !user.is_empty(),
        "AccountTypes": ["Redfish"],
        "RoleId": "Administrator",
        "Links": { "Role": { "@odata.id": format!("{ROLES}/Administrator") } },
    });
    match etag(request) {
        Some(tag) => {
            if let Some(body) = body.as_object_mut() {
                body.insert("@odata.etag".into(), tag.clone().into());
            }
            Reply::ok(body).with(header::ETAG, tag)
        }
        None => Reply::ok(body),
    }
}

fn is_locked(request: &Request<'_>) -> bool {
    let state = request.machine.state();
    let account = state.bmc.extra.as_ref().map(|extra| &extra.account);
    account.and_then(|account| account.locked_since).is_some_and(|since| since.elapsed() < LOCKED)
}

fn etag(request: &Request<'_>) -> Option<String> {
    let mut state = request.machine.state();
    match request.machine.model.bmc.etags {
        Etags::None => None,
        Etags::Checked | Etags::Required => {
            let version = state.bmc.extra.as_ref().map_or(0, |extra| extra.account.version);
            Some(format!("W/\"account-{version}\""))
        }
        Etags::Fickle => {
            let account = &mut state.bmc.extra().account;
            account.version = account.version.wrapping_add(1);
            Some(format!("W/\"account-{}\"", account.version))
        }
    }
}

fn change(request: &Request<'_>) -> Reply {
    let etags = request.machine.model.bmc.etags;
    let text = "The ETag supplied did not match the ETag required to change this resource.";
    match (etags, &request.if_match) {
        (Etags::None, _) | (Etags::Checked | Etags::Fickle, None) => {}
        (Etags::Required, None) => {
            let status = StatusCode::PRECONDITION_REQUIRED;
            return Reply::refuse(status, "PreconditionRequired", "An If-Match header is required.");
        }
        (Etags::Fickle, Some(_)) => {
            return Reply::refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", text);
        }
        (Etags::Checked | Etags::Required, Some(tag))
            if tag != "*" && Some(tag) != etag(request).as_ref() =>
        {
            return Reply::refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", text);
        }
        (Etags::Checked | Etags::Required, Some(_)) => {}
    }
    let Some(wanted) = request.body.as_object() else { return Reply::unknown_property("body") };
    if let Some(other) = wanted.keys().find(|name| *name != "Password") {
        return Reply::unknown_property(other);
    }
    let password = wanted.get("Password").and_then(Value::as_str);
    let is_plain = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let Some(password) = password.filter(|text| (SHORTEST..=LONGEST).contains(&text.len())).filter(is_plain)
    else {
        // What it was is nobody's to read.
        return Reply::refuse(
            StatusCode::BAD_REQUEST,
            "PropertyValueFormatError",
            "The value for the property Password does not fit the policy.",
        );
    };
    let faults = &request.rack.faults;
    if faults.account(request.machine, AccountFault::Refused) {
        let text = "The account password may not be changed: a security policy of the BMC forbids it.";
        return Reply::refuse(StatusCode::FORBIDDEN, "InsufficientPrivilege", text);
    }
    if !faults.account(request.machine, AccountFault::Ignored) {
        let mut state = request.machine.state();
        let account = &mut state.bmc.extra().account;
        account.password = Some(SecretString::from(password));
        account.version = account.version.wrapping_add(1);
    }
    Reply::empty()
}
