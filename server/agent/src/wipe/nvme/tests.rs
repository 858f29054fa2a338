//! A controller in memory: it says what it can and keeps what it was told.

use std::sync::Mutex;

use super::*;

struct Controller {
    oacs: u16,
    fna: u8,
    sanitize: u8,
    cmic: u8,
    namespaces: Vec<u32>,
    /// What the sanitize status says, asked again and again.
    states: Mutex<Vec<u8>>,
    told: Mutex<Vec<NvmeCommand>>,
    refuses: Option<u8>,
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            oacs: 2,
            fna: 4,
            sanitize: 3,
            cmic: 0,
            namespaces: vec![1],
            states: Mutex::new(vec![1, 2, 2]),
            told: Mutex::default(),
            refuses: None,
        }
    }
}

impl Admin for Controller {
    fn admin(&self, command: NvmeCommand, data: &mut [u8]) -> std::io::Result<u16> {
        self.told.lock().unwrap().push(command);
        if self.refuses == Some(command.opcode) {
            return Ok(0x101);
        }
        match (command.opcode, command.dwords[0]) {
            (IDENTIFY, 1) => {
                data[256..258].copy_from_slice(&self.oacs.to_le_bytes());
                (data[524], data[328], data[76]) = (self.fna, self.sanitize, self.cmic);
            }
            (IDENTIFY, 0) => (data[26], data[29]) = (0x11, 0x09),
            (IDENTIFY, _) => {
                for (place, id) in data.chunks_exact_mut(4).zip(&self.namespaces) {
                    place.copy_from_slice(&id.to_le_bytes());
                }
            }
            (GET_LOG_PAGE, _) => data[2] = self.states.lock().unwrap().pop().unwrap_or(1),
            _ => {}
        }
        Ok(0)
    }
}

fn methods(controller: &Controller) -> Vec<Method> {
    Abilities::ask(controller, 1).unwrap().methods().0
}

#[test]
fn what_the_controller_offers_is_used_the_most_thorough_first() {
    use Method::{NvmeFormatCrypto, NvmeFormatErase, NvmeSanitizeBlock, NvmeSanitizeCrypto};
    let all = [NvmeSanitizeBlock, NvmeSanitizeCrypto, NvmeFormatErase, NvmeFormatCrypto];
    assert_eq!(methods(&Controller::default()), all);
    assert_eq!(methods(&Controller { sanitize: 1, ..Controller::default() })[0], NvmeSanitizeCrypto);
    assert_eq!(methods(&Controller { sanitize: 0, fna: 0, ..Controller::default() }), [NvmeFormatErase]);
    assert!(methods(&Controller { sanitize: 0, oacs: 0, ..Controller::default() }).is_empty());
}

#[test]
fn what_would_reach_somebody_elses_data_is_not_used() {
    let two = Controller { namespaces: vec![1, 2], ..Controller::default() };
    let (has, lacks) = Abilities::ask(&two, 1).unwrap().methods();
    assert_eq!(has, [Method::NvmeFormatErase, Method::NvmeFormatCrypto], "these mean one namespace");
    assert!(lacks[0].1.contains("other namespaces"), "{lacks:?}");
    assert!(methods(&Controller { namespaces: vec![1, 2], fna: 5, ..Controller::default() }).is_empty());
    assert!(methods(&Controller { cmic: 2, ..Controller::default() }).is_empty(), "two hosts have it");
}

#[test]
fn a_sanitize_is_over_when_its_log_says_so() {
    let controller = Controller::default();
    let abilities = Abilities::ask(&controller, 1).unwrap();
    erase_with(&controller, &abilities, Method::NvmeSanitizeBlock, Duration::ZERO).unwrap();
    let told = controller.told.lock().unwrap().clone();
    let order: Vec<u8> = told.iter().skip(3).map(|command| command.opcode).collect();
    assert_eq!(order, [SANITIZE, GET_LOG_PAGE, GET_LOG_PAGE, GET_LOG_PAGE]);
    assert_eq!(told[3].dwords[0], 2 | 8);
    for (state, word) in [(3, "failed"), (0, "none was done")] {
        let controller = Controller { states: Mutex::new(vec![state, 2]), ..Controller::default() };
        let error =
            erase_with(&controller, &abilities, Method::NvmeSanitizeCrypto, Duration::ZERO).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_format_keeps_the_format_in_use_and_a_refusal_is_told() {
    let controller = Controller::default();
    let abilities = Abilities::ask(&controller, 1).unwrap();
    erase_with(&controller, &abilities, Method::NvmeFormatCrypto, Duration::ZERO).unwrap();
    let told = *controller.told.lock().unwrap().last().unwrap();
    assert_eq!((told.opcode, told.namespace), (FORMAT, 1));
    // Format 1, metadata at the end, protection 1 in its first bytes, crypto erase.
    assert_eq!(told.dwords[0], 1 | 1 << 4 | 1 << 5 | 1 << 8 | 2 << 9);
    let refusing = Controller { refuses: Some(FORMAT), ..Controller::default() };
    let error = erase_with(&refusing, &abilities, Method::NvmeFormatErase, Duration::ZERO).unwrap_err();
    assert!(error.contains("0x101"), "{error}");
}
