//! A disk in memory with the security states of ACS-4, figure 6: it locks, it erases, it refuses what is out of order.

use std::sync::Mutex;

use super::*;

#[derive(Default)]
struct State {
    security: u16,
    password: Option<Vec<u8>>,
    is_prepared: bool,
    erased: Option<u8>,
    told: Vec<u8>,
}

struct Drive {
    state: Mutex<State>,
    fails: Option<u8>,
}

impl Drive {
    fn new(security: u16) -> Self {
        Self { state: Mutex::new(State { security, ..State::default() }), fails: None }
    }
}

impl Taskfile for Drive {
    fn send(&self, command: u8, data: Data<'_>, _: u32) -> std::io::Result<ScsiStatus> {
        let refused = ScsiStatus { status: 2, sense_key: 0xb, ..ScsiStatus::default() };
        let mut state = self.state.lock().unwrap();
        state.told.push(command);
        if self.fails == Some(command) {
            return Ok(refused);
        }
        let given = |data: &Data<'_>| match data {
            Data::To(block) => (block[0], block[2..34].to_vec()),
            _ => panic!("{command:#x} takes a block"),
        };
        match command {
            IDENTIFY => {
                let Data::From(block) = data else { panic!("it is asked") };
                block[0] = 0x40;
                block[178..180].copy_from_slice(&30_u16.to_le_bytes());
                block[256..258].copy_from_slice(&state.security.to_le_bytes());
            }
            SET_PASSWORD => state.password = Some(given(&data).1),
            UNLOCK | DISABLE_PASSWORD => {
                if state.password != Some(given(&data).1) {
                    return Ok(refused);
                }
                if command == DISABLE_PASSWORD {
                    state.password = None;
                }
            }
            ERASE_PREPARE => state.is_prepared = true,
            ERASE_UNIT => {
                let (flags, password) = given(&data);
                if !state.is_prepared || state.password != Some(password) {
                    return Ok(refused);
                }
                state.erased = Some(flags);
                state.password = None;
            }
            other => panic!("{other:#x} is not asked of it"),
        }
        Ok(ScsiStatus::default())
    }
}

#[test]
fn the_enhanced_erase_is_asked_for_where_the_disk_has_it() {
    for (security, method, flags) in [(0x21, Method::AtaEraseEnhanced, 2), (0x01, Method::AtaErase, 0)] {
        let disk = Drive::new(security);
        let abilities = Abilities::ask(&disk).unwrap();
        assert_eq!(abilities.methods().0[0], method);
        erase_with(&disk, &abilities, method).unwrap();
        let state = disk.state.lock().unwrap();
        assert_eq!((state.erased, state.password.clone()), (Some(flags), None), "it is not left locked");
        assert_eq!(state.told, [IDENTIFY, SET_PASSWORD, ERASE_PREPARE, ERASE_UNIT]);
    }
}

#[test]
fn a_frozen_disk_is_not_asked_and_says_why() {
    for (security, word) in [(0x29, "froze"), (0x00, "does not offer"), (0x31, "switched off")] {
        let abilities = Abilities::ask(&Drive::new(security)).unwrap();
        let (has, lacks) = abilities.methods();
        assert!(has.is_empty() && lacks.len() == 2 && lacks[0].1.contains(word), "{lacks:?}");
    }
}

#[test]
fn an_erase_that_fails_takes_the_password_off_again() {
    let disk = Drive { fails: Some(ERASE_UNIT), ..Drive::new(0x21) };
    let abilities = Abilities::ask(&disk).unwrap();
    let error = erase_with(&disk, &abilities, Method::AtaEraseEnhanced).unwrap_err();
    assert_eq!(error, "erasing: the disk refuses (sense key 0xb)");
    assert_eq!(disk.state.lock().unwrap().password, None);
}

#[test]
fn an_erase_that_was_cut_short_is_taken_up_again() {
    let disk = Drive::new(0x27);
    let mut padded = PASSWORD.to_vec();
    padded.resize(32, 0);
    disk.state.lock().unwrap().password = Some(padded);
    let abilities = Abilities::ask(&disk).unwrap();
    erase_with(&disk, &abilities, Method::AtaEraseEnhanced).unwrap();
    assert_eq!(disk.state.lock().unwrap().told, [IDENTIFY, UNLOCK, ERASE_PREPARE, ERASE_UNIT]);
    // Somebody else's password is not ours to know.
    let disk = Drive::new(0x27);
    disk.state.lock().unwrap().password = Some(vec![7; 32]);
    let error = erase_with(&disk, &abilities, Method::AtaErase).unwrap_err();
    assert!(error.starts_with("it is locked with a password"), "{error}");
    assert_eq!(disk.state.lock().unwrap().erased, None);
}

#[test]
fn the_time_it_says_it_needs_is_read_in_both_spellings() {
    assert_eq!((minutes(30), minutes(0x8000 | 1000)), (60, 2000));
    assert_eq!((minutes(0), minutes(0xff), minutes(0xffff)), (LONGEST, LONGEST, LONGEST));
}
