//! Tokens, boot plans, assignments and secrets: sealed, bound, one-time.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod rack;

use std::time::Duration;

use jiff::Timestamp;
use rack::{key, put_host, put_network, step, waits};
use secrecy::{ExposeSecret, SecretString};
use underlay_core::{
    Effect, Kind, Mac, ObjectId, View,
    agent::{Assignment, Purpose, Task, TokenGrant},
    boot::{Media, Plan, Token, digest},
    credential,
    observation::Source,
};
use underlay_store::{
    Error, Intent, PutRequest, SealingKey, Store,
    api_token::{ApiToken, Role},
    dhcp_lease::{DhcpLease, LeaseState},
    on_both_databases,
    testing::Database,
    token::{Bearer, Redemption},
};

const CANARY: &str = "canary-4f1b9c-do-not-leak";

fn grant(host: ObjectId, token: &str, epoch: i64) -> TokenGrant {
    let expires_at = Timestamp::now() + Duration::from_secs(600);
    TokenGrant { digest: digest(token), host, on_behalf_of: host, epoch, purpose: Purpose::Agent, expires_at }
}

fn bearer(key: &str) -> Bearer {
    Bearer { key: key.into(), address: "10.0.0.9".into() }
}

async fn redeem(store: &Store, token: &str, key: &str, now: Timestamp) -> Redemption {
    store.redeem(&digest(token), Purpose::Agent, &bearer(key), now).await.expect("redeem")
}

async fn put_credential(store: &Store, secret: &str) -> ObjectId {
    let spec = credential::Spec { username: "root".into(), secret_version: 1 };
    let request = PutRequest::new::<credential::Credential>(key("web", "bmc"), &spec, Intent::Create);
    let mut request = request.expect("a request");
    request.secrets = vec![(credential::SECRET.into(), SecretString::from(secret))];
    store.put(request).await.expect("put").record.id()
}

async fn of_many_keys_that_bring_a_token_one_gets_in(database: &Database) {
    let store = database.open().await;
    let host = put_host(&store, "r1").await.id();
    step(&store, host, waits("the agent"), vec![Effect::GrantToken(grant(host, "t1", 1))]).await;
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..10 {
        let store = store.clone();
        racers.spawn(async move { redeem(&store, "t1", &format!("key-{racer}"), Timestamp::now()).await });
    }
    let results = racers.join_all().await;
    let winners = results.iter().filter(|result| matches!(result, Redemption::Redeemed(_))).count();
    let intruders = results.iter().filter(|result| **result == Redemption::Intruder).count();
    assert_eq!((winners, intruders), (1, 9), "{results:?}");
    let seen = View::observation(&store, host, Source::Intruder).await.expect("observation");
    assert!(seen.is_some(), "the intruder is on record");
}

async fn a_key_may_redeem_its_token_again_until_it_expires(database: &Database) {
    let store = database.open().await;
    let host = put_host(&store, "r1").await.id();
    step(&store, host, waits("the agent"), vec![Effect::GrantToken(grant(host, "t1", 3))]).await;
    let now = Timestamp::now();
    let looked_up =
        async |token, purpose, at| store.granted(&digest(token), purpose, at).await.expect("a look");
    let granted = looked_up("t1", Purpose::Agent, now).await.expect("it is good");
    let first = redeem(&store, "t1", "key", now).await;
    assert_eq!(first, Redemption::Redeemed(granted.clone()), "to look it up takes nothing from it");
    let Redemption::Redeemed(redeemed) = &first else { panic!("{first:?}") };
    assert_eq!((redeemed.host, redeemed.epoch), (host, 3));
    assert_eq!(redeem(&store, "t1", "key", now).await, first, "an answer that got lost is given again");
    assert_eq!(looked_up("t1", Purpose::Agent, now).await, Some(granted), "whoever has redeemed it");
    let late = now + Duration::from_secs(3600);
    for (token, purpose, at) in
        [("t1", Purpose::Agent, late), ("t1", Purpose::PhoneHome, now), ("other", Purpose::Agent, now)]
    {
        assert_eq!(looked_up(token, purpose, at).await, None);
    }
    assert_eq!(redeem(&store, "t1", "key", late).await, Redemption::Expired);
    assert_eq!(redeem(&store, "other", "key", now).await, Redemption::Unknown);
    let wrong = store.redeem(&digest("t1"), Purpose::PhoneHome, &bearer("key"), now).await.expect("redeem");
    assert_eq!(wrong, Redemption::Unknown, "a token is good for one purpose");
}

async fn a_new_token_voids_the_older_ones_of_its_host(database: &Database) {
    let store = database.open().await;
    let host = put_host(&store, "r1").await.id();
    let home = TokenGrant { purpose: Purpose::PhoneHome, ..grant(host, "home", 2) };
    let both = vec![Effect::GrantToken(grant(host, "new", 2)), Effect::GrantToken(home)];
    step(&store, host, waits("a"), vec![Effect::GrantToken(grant(host, "old", 1))]).await;
    store.wake(host).await.expect("wake");
    step(&store, host, waits("b"), both).await;
    let now = Timestamp::now();
    assert_eq!(redeem(&store, "old", "key", now).await, Redemption::Unknown);
    assert!(matches!(redeem(&store, "new", "key", now).await, Redemption::Redeemed(_)));
    let called = store.redeem(&digest("home"), Purpose::PhoneHome, &bearer("-"), now).await.expect("redeem");
    assert!(matches!(called, Redemption::Redeemed(_)), "the same epoch's other token stands");
    store.wake(host).await.expect("wake");
    step(&store, host, waits("c"), vec![Effect::RevokeTokens { host }]).await;
    assert_eq!(redeem(&store, "new", "key", now).await, Redemption::Unknown);
}

async fn who_follows_boot_plans_reads_what_changed(database: &Database) {
    let store = database.open().await;
    let host = put_host(&store, "r1").await.id();
    let mac = Mac([0x52, 0x54, 0, 0, 0, 1]);
    let plan = Plan::Agent { token: Token(CANARY.into()), epoch: 1, host };
    let put = || vec![Effect::PutBootPlan { mac, host, plan: plan.clone() }];
    step(&store, host, waits("a"), put()).await;
    let first = store.boot_plans(None).await.expect("plans");
    assert_eq!(first.plans[0].plan, plan);
    store.wake(host).await.expect("wake");
    step(&store, host, waits("b"), put()).await;
    let same = store.boot_plans(Some(first.position)).await.expect("plans");
    assert_eq!((same.position, same.all, same.plans.len()), (first.position, false, 0));
    store.wake(host).await.expect("wake");
    step(&store, host, waits("c"), vec![Effect::DropBootPlans { host }]).await;
    let later = store.boot_plans(Some(first.position)).await.expect("plans");
    assert!(later.position != first.position && !later.all && later.dropped == [host]);
    assert!(later.plans.is_empty(), "{later:?}");
    assert_eq!(store.boot_plan(mac).await.expect("plan"), None);

    // Only what changed is read, in the order in which it did.
    let other = Mac([0x52, 0x54, 0, 0, 0, 2]);
    for mac in [other, mac] {
        store.wake(host).await.expect("wake");
        let put = Effect::PutBootPlan { mac, host, plan: plan.clone() };
        step(&store, host, waits(&mac.to_string()), vec![put]).await;
    }
    let both = store.boot_plans(Some(later.position)).await.expect("plans");
    let macs: Vec<Mac> = both.plans.iter().map(|plan| plan.mac).collect();
    assert_eq!((both.all, macs), (false, vec![other, mac]));

    // A server of the release before counts, and says no more: then all are read.
    database.meddle("DELETE FROM boot_plan WHERE mac = '52:54:00:00:00:02'").await;
    database.meddle("UPDATE counter SET value = value + 1 WHERE name = 'boot_plans'").await;
    let after = store.boot_plans(Some(both.position)).await.expect("plans");
    assert!(after.all && after.plans.len() == 1 && after.plans[0].mac == mac, "{after:?}");
    let next = store.boot_plans(Some(after.position)).await.expect("plans");
    assert!(!next.all && next.plans.is_empty(), "{next:?}");
}

fn media() -> Media {
    let (token, url) = (Token(CANARY.into()), "http://10.77.0.1:7480".into());
    Media { token, epoch: 1, url, mac: None, address: None }
}

async fn boot_media_are_followed_like_boot_plans(database: &Database) {
    let store = database.open().await;
    let host = put_host(&store, "r1").await.id();
    let put = |epoch| vec![Effect::PutBootMedia { host, media: Media { epoch, ..media() } }];
    step(&store, host, waits("a"), put(1)).await;
    let first = store.boot_plans(None).await.expect("plans");
    assert!(first.plans.is_empty() && first.media == [(host, media())], "{first:?}");
    store.wake(host).await.expect("wake");
    step(&store, host, waits("b"), [vec![Effect::DropBootPlans { host }], put(2)].concat()).await;
    let second = store.boot_plans(Some(first.position)).await.expect("plans");
    let epochs: Vec<i64> = second.media.iter().map(|(_, media)| media.epoch).collect();
    assert_eq!((second.all, &second.dropped, epochs), (false, &vec![host], vec![2]));
    store.wake(host).await.expect("wake");
    step(&store, host, waits("c"), vec![Effect::DropBootPlans { host }]).await;
    let third = store.boot_plans(Some(second.position)).await.expect("plans");
    assert!(third.dropped == [host] && third.media.is_empty(), "{third:?}");
    assert!(store.boot_plans(None).await.expect("plans").media.is_empty());
}

async fn everything_sealed_opens_under_a_new_key_and_no_longer_under_the_old(database: &Database) {
    let store = database.open().await;
    let credential = put_credential(&store, CANARY).await;
    let host = put_host(&store, "r1").await.id();
    let mac = Mac([0x52, 0x54, 0, 0, 0, 1]);
    let plan = Plan::Agent { token: Token(CANARY.into()), epoch: 1, host };
    let work = Assignment { host, on_behalf_of: host, epoch: 1, task: Task::Stay };
    let effects = vec![
        Effect::PutBootPlan { mac, host, plan: plan.clone() },
        Effect::PutBootMedia { host, media: media() },
        Effect::Assign(work.clone()),
    ];
    step(&store, host, waits("a"), effects).await;
    store.reseal(SealingKey::new(&[9; 32])).await.expect("reseal");
    let secret = store.secret(credential, credential::SECRET).await.expect("opens").expect("there");
    assert_eq!(secret.expose_secret(), CANARY);
    assert_eq!(store.boot_plan(mac).await.expect("opens").expect("there").plan, plan);
    assert_eq!(store.boot_plans(None).await.expect("opens").media, [(host, media())]);
    assert_eq!(store.assignment(host).await.expect("opens"), Some(work));
    let error = Store::open(database.url(), SealingKey::new(&[7; 32])).await.expect_err("the old key");
    assert!(matches!(error, Error::WrongKey { .. }), "{error}");
    Store::open(database.url(), SealingKey::new(&[9; 32])).await.expect("the new key");
}

async fn a_secret_stands_in_no_file_and_no_debug_output(database: &Database) {
    let store = database.open().await;
    let credential = put_credential(&store, CANARY).await;
    let found = View::credential(&store, &key("web", "r1"), "bmc").await.expect("opens").expect("there");
    assert_eq!((found.0.as_str(), found.1.expose_secret()), ("root", CANARY));
    let host = put_host(&store, "r1").await.id();
    let plan = Plan::Agent { token: Token(CANARY.into()), epoch: 1, host };
    let effect = Effect::PutBootPlan { mac: Mac([2, 0, 0, 0, 0, 1]), host, plan };
    let media = Effect::PutBootMedia { host, media: media() };
    step(&store, host, waits("a"), vec![effect, media]).await;
    let record = store.get(credential).await.expect("get");
    let shown = format!("{store:?} {record:?} {:?}", store.boot_plans(None).await.expect("plans"));
    assert!(!shown.contains(CANARY), "{shown}");
    for entry in std::fs::read_dir(database.folder()).expect("the folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
    }
}

async fn a_credential_that_changed_is_never_the_one_of_before(database: &Database) {
    let store = database.open().await;
    let (from, said) = (key("web", "r1"), |login: Option<(String, SecretString)>| {
        login.map(|login| login.1.expose_secret().to_owned())
    });
    let open = async || said(View::credential(&store, &from, "bmc").await.expect("opens"));
    assert_eq!(open().await, None);
    put_credential(&store, "first").await;
    let record = store.get_by_key(Kind::Credential, &key("web", "bmc")).await.expect("get").expect("there");
    for version in 2..20 {
        // Somebody reads all the time, also while it changes.
        let (wanted, before) = (format!("secret {version}"), open().await);
        assert!(before.is_some());
        let spec = credential::Spec { username: "root".into(), secret_version: version };
        let intent = Intent::Update { incarnation: record.raw.meta.incarnation };
        let request = PutRequest::new::<credential::Credential>(key("web", "bmc"), &spec, intent);
        let mut request = request.expect("a request");
        request.secrets = vec![(credential::SECRET.into(), SecretString::from(wanted.clone()))];
        let put = store.put(request);
        let reading = async {
            for _ in 0..5 {
                open().await;
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(async { put.await.expect("put") }, reading);
        assert_eq!(open().await, Some(wanted));
    }
}

fn lease(last: u16, mac: u16) -> DhcpLease {
    let [high, low] = last.to_be_bytes();
    let [upper, lower] = mac.to_be_bytes();
    DhcpLease {
        network: "boot".into(),
        address: std::net::Ipv4Addr::new(10, 0, high, low),
        mac: Mac([2, 0, 0, 0, upper, lower]),
        state: LeaseState::Bound,
        expires_at: Timestamp::from_second(2_000_000_000).expect("a time"),
    }
}

async fn a_new_lease_replaces_what_its_address_and_its_mac_had(database: &Database) {
    let store = database.open().await;
    store.commit_dhcp_leases(&[lease(1, 1), lease(2, 2)]).await.expect("commit");
    store.commit_dhcp_leases(&[lease(2, 1)]).await.expect("commit");
    assert_eq!(store.dhcp_leases().await.expect("leases"), [lease(2, 1)]);
}

/// A batch comes to what its leases would come to one by one, whatever they take from each other and from before.
async fn a_batch_of_leases_is_worth_its_leases_in_order(database: &Database) {
    let store = database.open().await;
    let mut model: Vec<DhcpLease> = Vec::new();
    let mut dice = 7_u32;
    let mut roll = |sides: u32| {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u16::try_from((dice >> 16) % sides).expect("small")
    };
    for (size, range) in [(3, 3), (40, 12), (7, 5), (500, 400), (300, 350), (90, 20), (1, 1), (600, 500)] {
        let batch: Vec<_> = (0..size).map(|_| lease(roll(range), roll(range))).collect();
        for taken in &batch {
            model.retain(|held| held.address != taken.address && held.mac != taken.mac);
            model.push(taken.clone());
        }
        store.commit_dhcp_leases(&batch).await.expect("commit");
        let mut kept = store.dhcp_leases().await.expect("leases");
        kept.sort_by_key(|lease| lease.address);
        model.sort_by_key(|lease| lease.address);
        assert_eq!(kept, model, "after a batch of {size}");
    }
}

async fn an_api_token_is_known_until_it_is_revoked_or_expires(database: &Database) {
    let store = database.open().await;
    let now = store.get_by_key(Kind::Host, &key("a", "b")).await.map(|_| Timestamp::now()).expect("reads");
    let token = ApiToken {
        digest: digest("secret"),
        name: "ci".into(),
        role: Role::Tenant,
        owner: Some("web".parse().expect("a name")),
        site: None,
        pool: Some("lab".parse().expect("a name")),
        may_unprotect: true,
        created_at: now,
        expires_at: Some(now + Duration::from_secs(60)),
        revoked_at: None,
    };
    store.add_api_token(&token).await.expect("add");
    assert!(matches!(store.add_api_token(&token).await, Err(Error::TokenExists { .. })));
    let known = store.authenticate(&digest("secret"), now).await.expect("look up").expect("known");
    assert_eq!((known.role, known.owner), (Role::Tenant, token.owner.clone()));
    assert!(store.authenticate(&digest("guess"), now).await.expect("look up").is_none());
    let late = now + Duration::from_secs(61);
    assert!(store.authenticate(&digest("secret"), late).await.expect("look up").is_none());
    assert!(store.revoke_api_token("ci", now).await.expect("revoke"));
    assert!(store.authenticate(&digest("secret"), now).await.expect("look up").is_none());
    assert!(!store.revoke_api_token("ci", now).await.expect("revoke"));
    assert_eq!(store.api_tokens().await.expect("list").len(), 1);
}

async fn the_first_result_of_an_act_stays(database: &Database) {
    let store = database.open().await;
    let id = put_network(&store, "boot").await.id();
    let first = store.remember(id, 1, "certificate", &serde_json::json!("one")).await.expect("remember");
    let second = store.remember(id, 1, "certificate", &serde_json::json!("two")).await.expect("remember");
    assert_eq!((&first, &second), (&serde_json::json!("one"), &first));
    assert_eq!(store.recall(id, 2, "certificate").await.expect("recall"), None);
}

on_both_databases!(
    of_many_keys_that_bring_a_token_one_gets_in,
    a_key_may_redeem_its_token_again_until_it_expires,
    a_new_token_voids_the_older_ones_of_its_host,
    who_follows_boot_plans_reads_what_changed,
    boot_media_are_followed_like_boot_plans,
    everything_sealed_opens_under_a_new_key_and_no_longer_under_the_old,
    a_secret_stands_in_no_file_and_no_debug_output,
    a_credential_that_changed_is_never_the_one_of_before,
    a_new_lease_replaces_what_its_address_and_its_mac_had,
    a_batch_of_leases_is_worth_its_leases_in_order,
    an_api_token_is_known_until_it_is_revoked_or_expires,
    the_first_result_of_an_act_stays,
);
