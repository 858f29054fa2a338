//! Packet in, packet out: each architecture, program, mode and phase.

use std::{net::Ipv4Addr, sync::Arc};

use dhcproto::v4::{Message, MessageType, OptionCode};
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::dhcp::{
    client::Arch,
    directory::{BootAnswer, Fixed},
    leases::LeaseState,
    tests::{Datagram, SERVER, kind, mac, network, on_eth1, option, read},
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const IPXE: OptionCode = OptionCode::Unknown(175);

struct Bench {
    responder: Responder,
    directory: Arc<Fixed>,
    now: Timestamp,
}

impl Bench {
    fn new(edit: impl FnOnce(&mut Network)) -> Self {
        let mut network = network();
        edit(&mut network);
        let directory = Arc::new(Fixed::default());
        let hosts: Arc<dyn BootDirectory> = Arc::<Fixed>::clone(&directory);
        let responder = Responder::new(hosts, Ports::default(), &[]);
        responder.serve([network].into());
        Self { responder, directory, now: NOW }
    }

    fn proxy() -> Self {
        Self::new(|network| network.mode = Mode::Proxy)
    }

    fn enrol(self, n: u32, address: Option<[u8; 4]>, loader: Loader) -> Self {
        let hostname = Some("web-0".into());
        self.directory.put(mac(n), BootAnswer { address: address.map(Ipv4Addr::from), loader, hostname });
        self
    }

    fn verdict(&self, datagram: &Datagram) -> Verdict {
        self.verdict_at(datagram, on_eth1())
    }

    fn verdict_at(&self, datagram: &Datagram, arrival: Arrival<'_>) -> Verdict {
        self.responder.answer(&datagram.request(), arrival, self.now).unwrap().verdict
    }

    fn reply(&self, datagram: &Datagram) -> Message {
        match self.verdict(datagram) {
            Verdict::Send(out) | Verdict::Commit(_, Some(out)) => read(&out.bytes),
            other => panic!("no reply but {other:?}"),
        }
    }

    /// DISCOVER to ACK.
    fn lease(&self, n: u32) -> Ipv4Addr {
        let address = self.reply(&Datagram::new(MessageType::Discover, mac(n))).yiaddr();
        let ack = self.reply(&selecting(n, address));
        assert_eq!((kind(&ack), ack.yiaddr()), (MessageType::Ack, address));
        address
    }
}

fn discover(n: u32) -> Datagram {
    Datagram::new(MessageType::Discover, mac(n))
}

fn request(n: u32) -> Datagram {
    Datagram::new(MessageType::Request, mac(n))
}

fn selecting(n: u32, address: Ipv4Addr) -> Datagram {
    request(n).requested(address).server(SERVER)
}

fn text(message: &Message, code: OptionCode) -> Option<String> {
    option(message, code).map(|bytes| String::from_utf8(bytes).unwrap())
}

fn file_field(message: &Message) -> String {
    let bytes = message.fname().unwrap_or_default();
    String::from_utf8(bytes.to_vec()).unwrap().trim_end_matches('\0').to_owned()
}

const SCRIPT: &str = "http://10.12.0.1:8080/v1/ipxe/52:54:00:00:00:01";

#[test]
fn each_program_and_architecture_is_told_its_own_file_where_we_hand_out_addresses() {
    let table: [(&str, Datagram, Option<&str>, Option<&str>); 14] = [
        ("bios", discover(1).pxe(0), Some("undionly.kpxe"), None),
        ("uefi x64", discover(1).pxe(7), Some("snponly.efi"), None),
        ("uefi x64 as ebc", discover(1).pxe(9), Some("snponly.efi"), None),
        ("uefi arm64", discover(1).pxe(11), Some("snponly-arm64.efi"), None),
        (
            "http x64",
            discover(1).http(16),
            Some("http://10.12.0.1:8080/v1/loader/snponly.efi"),
            Some("HTTPClient"),
        ),
        (
            "http arm64",
            discover(1).http(19),
            Some("http://10.12.0.1:8080/v1/loader/snponly-arm64.efi"),
            Some("HTTPClient"),
        ),
        ("ipxe on bios", discover(1).ipxe(0), Some(SCRIPT), None),
        ("ipxe on uefi", discover(1).ipxe(7), Some(SCRIPT), None),
        ("ipxe on arm64", discover(1).ipxe(11), Some(SCRIPT), None),
        ("ipxe by its options alone", discover(1).option(175, &[21, 1, 1]), Some(SCRIPT), None),
        ("32-bit uefi", discover(1).pxe(6), None, None),
        ("http ia32", discover(1).http(15), None, None),
        ("pxe of an unnamed architecture", discover(1).option(60, b"PXEClient"), Some("undionly.kpxe"), None),
        ("an operating system", discover(1).option(60, b"udhcp 1.35.0"), None, None),
    ];
    for (name, datagram, file, class) in table {
        let offer = Bench::new(|_| {}).reply(&datagram);
        assert_eq!(kind(&offer), MessageType::Offer, "{name}");
        assert_eq!(text(&offer, OptionCode::BootfileName).as_deref(), file, "{name}");
        assert_eq!(file_field(&offer), file.unwrap_or_default(), "{name}");
        assert_eq!(text(&offer, OptionCode::ClassIdentifier).as_deref(), class, "{name}");
        assert_eq!(option(&offer, OptionCode::VendorExtensions), None, "{name}");
        let next = if file.is_some() { SERVER } else { Ipv4Addr::UNSPECIFIED };
        assert_eq!(offer.siaddr(), next, "{name}");
        let ipxe = datagram.request().program == crate::dhcp::client::Program::Ipxe;
        assert_eq!(option(&offer, IPXE), ipxe.then(|| vec![176, 1, 1]), "{name}");
    }
}

#[test]
fn each_program_and_architecture_is_told_its_own_file_beside_another_server() {
    let pxe = Some("PXEClient");
    let table: [(&str, Datagram, &str, Option<&str>); 6] = [
        ("bios", discover(1).pxe(0), "undionly.kpxe", pxe),
        ("uefi x64", discover(1).pxe(7), "snponly.efi", pxe),
        ("uefi x64 as ebc", discover(1).pxe(9), "snponly.efi", pxe),
        ("uefi arm64", discover(1).pxe(11), "snponly-arm64.efi", pxe),
        ("http x64", discover(1).http(16), "http://10.12.0.1:8080/v1/loader/snponly.efi", Some("HTTPClient")),
        ("ipxe", discover(1).ipxe(7), SCRIPT, pxe),
    ];
    for (name, datagram, file, class) in table {
        let offer = Bench::proxy().reply(&datagram);
        assert_eq!(kind(&offer), MessageType::Offer, "{name}");
        assert_eq!(offer.yiaddr(), Ipv4Addr::UNSPECIFIED, "{name}");
        assert_eq!(option(&offer, OptionCode::AddressLeaseTime), None, "{name}");
        assert_eq!(option(&offer, OptionCode::SubnetMask), None, "{name}");
        assert_eq!(text(&offer, OptionCode::BootfileName).as_deref(), Some(file), "{name}");
        assert_eq!(text(&offer, OptionCode::ClassIdentifier).as_deref(), class, "{name}");
        assert_eq!(option(&offer, OptionCode::ClientMachineIdentifier), Some((0..17).collect()), "{name}");
        assert_eq!(option(&offer, OptionCode::ServerIdentifier), Some(SERVER.octets().into()), "{name}");
        let control = option(&offer, OptionCode::VendorExtensions);
        assert_eq!(control, (class == pxe).then(|| vec![6, 1, 8, 255]), "{name}");
    }
}

#[test]
fn where_the_agent_is_one_program_x64_firmware_is_told_its_own_url_over_http() {
    let bench = Bench::new(|network| network.boot = network.boot.clone().with_uki("http://10.12.0.1:8080"));
    let told = |datagram: &Datagram| text(&bench.reply(datagram), OptionCode::BootfileName);
    let own = "http://10.12.0.1:8080/v1/uki/02-00-00-00-00-01.efi";
    let mac = discover(1).request().mac.to_string().replace(':', "-");
    assert_eq!(told(&discover(1).http(16)), Some(own.replace("02-00-00-00-00-01", &mac)));
    let arm = told(&discover(1).http(19)).expect("a loader");
    assert!(arm.ends_with("/v1/loader/snponly-arm64.efi"), "{arm}");
    assert_eq!(told(&discover(1).pxe(7)).as_deref(), Some("snponly.efi"), "by TFTP comes a loader");
}

#[test]
fn port_4011_answers_the_sender_with_the_boot_item_it_chose() {
    let bench = Bench::proxy();
    let from = SocketAddrV4::new(Ipv4Addr::new(10, 12, 0, 77), 4011);
    let arrival = Arrival { interface: Some("eth1"), service: Service::BootServer, from };
    let asked = request(1).pxe(7).ciaddr(Ipv4Addr::new(10, 12, 0, 77)).option(43, &[71, 4, 0, 0, 0, 0, 255]);
    let Verdict::Send(out) = bench.verdict_at(&asked, arrival) else { panic!("no answer") };
    let ack = read(&out.bytes);
    assert_eq!((out.to, kind(&ack)), (from, MessageType::Ack));
    assert_eq!(text(&ack, OptionCode::BootfileName).as_deref(), Some("snponly.efi"));
    let control = option(&ack, OptionCode::VendorExtensions);
    assert_eq!(control, Some(vec![6, 1, 8, 71, 4, 0, 0, 0, 0, 255]));
    assert_eq!(ack.ciaddr(), Ipv4Addr::new(10, 12, 0, 77));
}

#[test]
fn beside_another_server_only_firmware_that_has_something_to_boot_is_answered() {
    let bench = Bench::proxy().enrol(2, None, Loader::Nothing);
    assert_eq!(bench.verdict(&discover(1)), Verdict::Silent(Silence::NothingToBoot));
    assert_eq!(bench.verdict(&discover(2).pxe(7)), Verdict::Silent(Silence::NothingToBoot));
    assert_eq!(bench.verdict(&request(1).pxe(7)), Verdict::Silent(Silence::OtherServer));
    let off = Bench::new(|network| network.mode = Mode::Off);
    assert_eq!(off.verdict(&discover(1).pxe(7)), Verdict::Silent(Silence::NoNetwork));
}

#[test]
fn an_unknown_machine_gets_what_its_network_says() {
    let offer = Bench::new(|network| network.unknown = Unknown::Discover).reply(&discover(1).pxe(0));
    assert!(option(&offer, OptionCode::BootfileName).is_some());

    let offer = Bench::new(|network| network.unknown = Unknown::LocalDisk).reply(&discover(1).pxe(0));
    assert_ne!(offer.yiaddr(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(option(&offer, OptionCode::BootfileName), None);

    let bench = Bench::new(|network| network.unknown = Unknown::Ignore).enrol(2, None, Loader::Network);
    assert_eq!(bench.verdict(&discover(1).pxe(0)), Verdict::Silent(Silence::UnknownMachine));
    assert_eq!(kind(&bench.reply(&discover(2).pxe(0))), MessageType::Offer);
}

#[test]
fn a_known_machine_gets_its_own_script_name_and_address() {
    let url = "http://10.12.0.1:8080/special";
    let bench = Bench::new(|_| {}).enrol(1, Some([10, 12, 0, 200]), Loader::Script(url.into()));
    let offer = bench.reply(&discover(1).ipxe(0));
    assert_eq!(text(&offer, OptionCode::BootfileName).as_deref(), Some(url));
    assert_eq!(text(&offer, OptionCode::Hostname).as_deref(), Some("web-0"));
    assert_eq!(offer.yiaddr(), Ipv4Addr::new(10, 12, 0, 200));
}

#[test]
fn an_offer_says_what_the_segment_looks_like() {
    let offer = Bench::new(|_| {}).reply(&discover(1).option(61, &[1, 2, 3]));
    assert_eq!((offer.yiaddr(), offer.xid()), (Ipv4Addr::new(10, 12, 0, 50), 0xdead_beef));
    for (code, bytes) in [
        (OptionCode::ServerIdentifier, vec![10, 12, 0, 1]),
        (OptionCode::SubnetMask, vec![255, 255, 255, 0]),
        (OptionCode::Router, vec![10, 12, 0, 254]),
        (OptionCode::DomainNameServer, vec![10, 12, 0, 2, 10, 12, 0, 3]),
        (OptionCode::DomainName, b"boot.example.net".to_vec()),
        (OptionCode::AddressLeaseTime, vec![0, 0, 2, 88]),
        (OptionCode::Renewal, vec![0, 0, 1, 44]),
        (OptionCode::Rebinding, vec![0, 0, 2, 13]),
        (OptionCode::ClientIdentifier, vec![1, 2, 3]),
    ] {
        assert_eq!(option(&offer, code), Some(bytes), "{code:?}");
    }
}

#[test]
fn an_ack_waits_for_its_lease_and_an_offer_does_not() {
    let bench = Bench::new(|_| {});
    assert!(matches!(bench.verdict(&discover(1)), Verdict::Send(_)));
    let address = Ipv4Addr::new(10, 12, 0, 50);
    let Verdict::Commit(lease, Some(out)) = bench.verdict(&selecting(1, address)) else {
        panic!("no commit")
    };
    assert_eq!(kind(&read(&out.bytes)), MessageType::Ack);
    assert_eq!((lease.address, lease.mac, lease.state), (address, mac(1), LeaseState::Bound));
    assert_eq!(lease.expires, NOW + SignedDuration::from_secs(600));
}

#[test]
fn an_offer_taken_from_another_server_frees_ours() {
    let bench = Bench::new(|network| network.ranges[0].last = network.ranges[0].first);
    let address = bench.reply(&discover(1)).yiaddr();
    assert_eq!(bench.verdict(&discover(2)), Verdict::Silent(Silence::Exhausted));
    let elsewhere = request(1).requested([10, 12, 0, 99].into()).server([10, 12, 0, 8].into());
    assert_eq!(bench.verdict(&elsewhere), Verdict::Silent(Silence::OtherServer));
    assert_eq!(bench.reply(&discover(2)).yiaddr(), address);
}

#[test]
fn a_machine_that_takes_another_servers_offer_tells_of_that_server_where_there_should_be_none() {
    let elsewhere = request(1).requested([10, 12, 0, 99].into()).server([10, 12, 0, 8].into()).request();
    let ask = |bench: &Bench| bench.responder.answer(&elsewhere, on_eth1(), NOW).unwrap().stranger;
    assert_eq!(ask(&Bench::new(|_| {})), Some([10, 12, 0, 8].into()));
    assert_eq!(ask(&Bench::proxy()), None, "in proxy mode another server is meant to be there");
    let mut other = network();
    other.name = NetworkName::new("other");
    other.interface = Some("eth2".into());
    other.server = [10, 12, 0, 8].into();
    let bench = Bench::new(|_| {});
    bench.responder.serve([network(), other].into());
    assert_eq!(ask(&bench), None, "our own address on another network");
}

#[test]
fn a_rebooting_client_is_confirmed_refused_or_left_to_others() {
    let bench = Bench::new(|_| {});
    let address = bench.lease(1);
    let rebooting = |n, address: [u8; 4]| request(n).requested(address.into());
    assert_eq!(kind(&bench.reply(&rebooting(1, address.octets()))), MessageType::Ack);
    assert_eq!(kind(&bench.reply(&rebooting(1, [10, 12, 0, 58]))), MessageType::Nak, "not its address");
    assert_eq!(kind(&bench.reply(&rebooting(2, [192, 168, 0, 9]))), MessageType::Nak, "another network's");
    let unrecorded = bench.verdict(&rebooting(2, [10, 12, 0, 58]));
    assert_eq!(unrecorded, Verdict::Silent(Silence::NoRecord));
}

#[test]
fn a_renewal_extends_the_lease_and_is_answered_by_unicast() {
    let mut bench = Bench::new(|_| {});
    let address = bench.lease(1);
    bench.now = NOW + SignedDuration::from_secs(300);
    let Verdict::Commit(lease, Some(out)) = bench.verdict(&request(1).ciaddr(address)) else {
        panic!("no commit")
    };
    assert_eq!(lease.expires, NOW + SignedDuration::from_secs(900));
    assert_eq!(out.to, SocketAddrV4::new(address, 68));
    assert_eq!(read(&out.bytes).ciaddr(), address);
}

#[test]
fn an_address_that_is_reserved_meanwhile_is_refused_at_renewal() {
    let bench = Bench::new(|_| {});
    let address = bench.lease(1);
    let bench = bench.enrol(2, Some(address.octets()), Loader::Network);
    assert_ne!(bench.reply(&discover(2)).yiaddr(), address, "still in use");
    let nak = bench.verdict(&request(1).ciaddr(address));
    let Verdict::Send(out) = nak else { panic!("no refusal") };
    assert_eq!(
        (kind(&read(&out.bytes)), out.to),
        (MessageType::Nak, SocketAddrV4::new(Ipv4Addr::BROADCAST, 68))
    );
}

#[test]
fn a_released_address_is_kept_for_its_mac_and_a_declined_one_from_everybody() {
    let bench = Bench::new(|_| {});
    let address = bench.lease(1);
    let release = Datagram::new(MessageType::Release, mac(1)).ciaddr(address).server(SERVER);
    let Verdict::Commit(lease, None) = bench.verdict(&release) else { panic!("not released") };
    assert_eq!((lease.state, lease.expires), (LeaseState::Released, NOW));
    assert_eq!(bench.lease(1), address);

    let decline = |n| Datagram::new(MessageType::Decline, mac(n)).requested(address).server(SERVER);
    assert_eq!(bench.verdict(&decline(2)), Verdict::Silent(Silence::NoRecord), "not its address");
    assert!(matches!(bench.verdict(&decline(1)), Verdict::Commit(_, None)));
    assert_ne!(bench.lease(1), address);
    assert_eq!(kind(&bench.reply(&selecting(3, address))), MessageType::Nak);
}

#[test]
fn an_inform_is_answered_with_settings_and_no_address() {
    let bench = Bench::new(|_| {});
    let address = Ipv4Addr::new(10, 12, 0, 99);
    let Verdict::Send(out) = bench.verdict(&Datagram::new(MessageType::Inform, mac(1)).ciaddr(address))
    else {
        panic!("no answer")
    };
    let ack = read(&out.bytes);
    assert_eq!((out.to, ack.yiaddr()), (SocketAddrV4::new(address, 68), Ipv4Addr::UNSPECIFIED));
    assert_eq!(option(&ack, OptionCode::AddressLeaseTime), None);
    assert!(option(&ack, OptionCode::Router).is_some());
}

#[test]
fn a_client_without_an_address_is_answered_by_broadcast() {
    let bench = Bench::new(|_| {});
    for datagram in [discover(1), discover(1).broadcast()] {
        let Verdict::Send(out) = bench.verdict(&datagram) else { panic!("no offer") };
        assert_eq!(out.to, SocketAddrV4::new(Ipv4Addr::BROADCAST, 68));
        assert_eq!(read(&out.bytes).flags().broadcast(), datagram.request().flags != 0);
        assert!(out.bytes.len() >= 300);
    }
}

#[test]
fn a_reply_is_never_sent_to_an_address_outside_the_network() {
    let bench = Bench::new(|_| {});
    let victim = Ipv4Addr::new(203, 0, 113, 9);
    for datagram in [discover(1).ciaddr(victim), selecting(1, [10, 12, 0, 50].into()).ciaddr(victim)] {
        match bench.verdict(&datagram) {
            Verdict::Send(out) | Verdict::Commit(_, Some(out)) => {
                assert_eq!(*out.to.ip(), Ipv4Addr::BROADCAST)
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.verdict(&discover(1).giaddr(victim)), Verdict::Silent(Silence::NoNetwork));
}

#[test]
fn a_relay_chooses_the_network_and_gets_its_option_back_byte_for_byte() {
    let mut far = network();
    far.name = NetworkName::new("far");
    far.cidr = "10.99.0.0/24".parse().unwrap();
    far.ranges =
        vec![crate::dhcp::AddressRange { first: [10, 99, 0, 50].into(), last: [10, 99, 0, 60].into() }];
    far.interface = None;
    let bench = Bench::new(|_| {});
    bench.responder.serve([network(), far].into());
    let (giaddr, circuit) = (Ipv4Addr::new(10, 99, 0, 2), [1, 3, b'g', b'e', b'1', 200, 1, 9]);

    let Verdict::Send(out) = bench.verdict(&discover(1).giaddr(giaddr).option(82, &circuit)) else {
        panic!("no offer")
    };
    let offer = read(&out.bytes);
    assert_eq!(out.to, SocketAddrV4::new(giaddr, 67));
    assert_eq!((offer.yiaddr(), offer.giaddr()), (Ipv4Addr::new(10, 99, 0, 50), giaddr));
    assert!(out.bytes.windows(circuit.len() + 2).any(|w| w[..2] == [82, 8] && w[2..] == circuit));

    let link = discover(2)
        .giaddr(Ipv4Addr::new(10, 12, 0, 7))
        .option(82, &[5, 4, 10, 99, 0, 0, 11, 4, 10, 99, 0, 2]);
    let offer = bench.reply(&link);
    assert_eq!(offer.yiaddr(), Ipv4Addr::new(10, 99, 0, 51), "RFC 3527 link selection");
    assert_eq!(option(&offer, OptionCode::ServerIdentifier), Some(vec![10, 99, 0, 2]), "RFC 5107 override");

    let routed = bench.verdict(&request(1).ciaddr([10, 99, 0, 50].into()));
    assert!(
        matches!(routed, Verdict::Commit(lease, _) if lease.network.as_str() == "far"),
        "renewal past the relay"
    );
}

#[test]
fn a_request_on_an_interface_without_a_network_is_not_answered() {
    let bench = Bench::new(|_| {});
    for interface in [Some("eth9"), None] {
        let arrival = Arrival { interface, ..on_eth1() };
        assert_eq!(bench.verdict_at(&discover(1), arrival), Verdict::Silent(Silence::NoNetwork));
    }
}

#[test]
fn an_observation_carries_what_the_firmware_said() {
    let sighting = crate::dhcp::Sighting::of(&discover(1).pxe(7).request(), &network().name, None);
    assert_eq!(sighting.arch, Some(Arch::UefiX64));
    assert_eq!(sighting.uuid.map(|uuid| uuid[0]), Some(1));
    assert_eq!(sighting.vendor_class.as_deref(), Some("PXEClient:Arch:00007:UNDI:003000"));
}
