//! The codec gives back what it was given, and survives anything.

use proptest::prelude::*;

use crate::cty::{
    MAX_DEPTH, Path, Problem, Type, Value,
    arbitrary::{Kind, any_type, typed},
    from_json, from_msgpack, to_json, to_msgpack,
};

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_again((ty, value) in typed(Kind::Wire)) {
        let bytes = to_msgpack(&value, &ty).unwrap();
        prop_assert_eq!(from_msgpack(&bytes, &ty).unwrap(), value);
    }

    #[test]
    fn what_is_written_as_json_is_read_again((ty, value) in typed(Kind::State)) {
        let text = to_json(&value, &ty).unwrap().to_string();
        prop_assert_eq!(from_json(text.as_bytes(), &ty).unwrap(), value);
    }

    #[test]
    fn a_type_survives_its_json(ty in any_type()) {
        prop_assert_eq!(Type::from_json(&ty.to_json()).unwrap(), ty);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(ty in any_type(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = from_msgpack(&bytes, &ty);
        let _ = from_msgpack(&bytes, &Type::Dynamic);
        let _ = from_json(&bytes, &ty);
        let _ = Type::from_json(&bytes);
    }

    #[test]
    fn damaged_bytes_are_decoded_or_refused(
        (ty, value) in typed(Kind::Wire),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = to_msgpack(&value, &ty).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = from_msgpack(&bytes, &ty);
        bytes.truncate(at);
        let _ = from_msgpack(&bytes, &ty);
    }
}

#[test]
fn every_extension_is_an_unknown() {
    for bytes in [&[0xd4, 0, 0][..], &[0xc7, 2, 12, 0x81, 0xc2], &[0xd5, 12, 0x80, 0]] {
        assert_eq!(from_msgpack(bytes, &Type::String).unwrap(), Value::Unknown);
    }
}

#[test]
fn numbers_come_as_integers_floats_and_text() {
    let number = |bytes: &[u8]| from_msgpack(bytes, &Type::Number).unwrap().plain().clone();
    assert_eq!(number(&[5]), Value::from(5));
    assert_eq!(number(&[0xcb, 0x40, 0x14, 0, 0, 0, 0, 0, 0]), Value::from(5));
    assert_eq!(number(&[0xa3, b'0', b'.', b'1']), Value::Number("0.1".parse().unwrap()));
}

#[test]
fn no_bytes_are_null() {
    assert_eq!(from_msgpack(&[], &Type::String).unwrap(), Value::Null);
}

#[test]
fn an_error_says_where() {
    let ty = Type::Object([("a".to_owned(), Type::list(Type::Bool))].into());
    let error = from_msgpack(&[0x81, 0xa1, b'a', 0x92, 0xc3, 0x01], &ty).unwrap_err();
    assert_eq!(error.path, Path::from("a").index(1));
    let error = from_msgpack(&[0x80], &ty).unwrap_err();
    assert_eq!((error.path, error.problem), (Path::from("a"), Problem::Missing));
}

#[test]
fn a_length_beyond_the_data_is_refused_before_anything_is_reserved() {
    let bytes = [0xdd, 0xff, 0xff, 0xff, 0xff];
    assert!(matches!(
        from_msgpack(&bytes, &Type::list(Type::Bool)).unwrap_err().problem,
        Problem::Malformed(_)
    ));
}

#[test]
fn depth_is_bounded() {
    let mut nested = Type::Bool;
    for _ in 0..MAX_DEPTH + 8 {
        nested = Type::list(nested);
    }
    let mut bytes = vec![0x91; MAX_DEPTH + 8];
    bytes.push(0xc3);
    assert_eq!(from_msgpack(&bytes, &nested).unwrap_err().problem, Problem::TooLarge);
    // Dynamic values within dynamic values bring their own depth.
    let bytes: Vec<u8> = std::iter::repeat_n(&[0x92, 0xc4, 9][..], 100_000)
        .flat_map(|head| [head, b"\"dynamic\""].concat())
        .collect();
    assert!(from_msgpack(&bytes, &Type::Dynamic).is_err());
    let json = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(Type::from_json(json.as_bytes()).is_err());
    assert!(from_json(json.as_bytes(), &nested).is_err());
}
