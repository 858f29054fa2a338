//! One layer of compression, taken off while reading.
//!
//! The decoders' memory is bounded whatever the stream asks for; how much may come out is for the caller to bound.
//! A stream that ends early is an error of kind `UnexpectedEof`, one that goes on with something else is an error too.

use std::io::{self, BufRead, Read};

use crate::detect::Compression;

/// The largest zstd window, as a power of two: 128 MiB, what `zstd --long` makes and `zstd -d` accepts.
const ZSTD_WINDOW_LOG: u32 = 27;
/// What an xz decoder may take: `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// The unpacked bytes of `packed`.
pub(crate) fn reader<'a>(
    compression: Compression,
    packed: impl BufRead + 'a,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        Compression::Xz => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream))
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn pack(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(bytes, 3).unwrap(),
        }
    }

    fn unpack(compression: Compression, packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        reader(compression, packed)?.read_to_end(&mut out).map(|_| out)
    }

    const ALL: [Compression; 3] = [Compression::Gzip, Compression::Xz, Compression::Zstd];

    fn text() -> Vec<u8> {
        (0..4000_u32).flat_map(|n| (n * n).to_le_bytes()).collect()
    }

    #[test]
    fn two_streams_in_a_row_are_one_text() {
        for compression in ALL {
            let mut packed = pack(compression, &text());
            packed.extend(pack(compression, b"and more"));
            assert_eq!(unpack(compression, &packed).unwrap(), [text(), b"and more".to_vec()].concat());
        }
    }

    #[test]
    fn a_stream_cut_anywhere_is_an_error() {
        for compression in ALL {
            let packed = pack(compression, &text());
            for length in (1..packed.len()).step_by(7).chain([packed.len() - 1]) {
                assert!(unpack(compression, &packed[..length]).is_err(), "{compression} cut at {length}");
            }
        }
    }

    #[test]
    fn something_else_behind_the_stream_is_an_error() {
        for compression in ALL {
            let mut packed = pack(compression, &text());
            packed.extend(b"something else");
            assert!(unpack(compression, &packed).is_err(), "{compression}");
        }
    }

    #[test]
    fn a_zstd_window_beyond_the_bound_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        encoder.write_all(&text()).unwrap();
        let packed = encoder.finish().unwrap();
        assert!(unpack(Compression::Zstd, &packed).is_err());
    }
}
