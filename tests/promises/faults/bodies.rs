//! Fault 13: gzip, corrupt gzip, and bombs.

use std::io::Write;

use flate2::{Compress, Compression, FlushCompress};

use super::expected::{Failure, Good};
use super::scene::{At, Scene, each, finish};
use crate::scripted_server::Answer;

#[test]
fn gzip_bodies_give_their_rows() {
    let scene = Scene::new();
    for at in At::ALL {
        scene.server.on(at.target(), [scene.good(at).packed()]);
    }
    scene.run().published(&Good::of(&scene));

    // Several members one behind the other are one text.
    let scene = Scene::new();
    let text = scene.text(At::Second);
    let (first, second) = text.as_bytes().split_at(300);
    let members = [crate::published::gzip(first), crate::published::gzip(second)].concat();
    let scene = scene.always(At::Second, Answer::json(members).header("Content-Encoding", "gzip"));
    scene.run().published(&Good::of(&scene));
}

/// What is wrong with a gzip body.
fn corrupt(scene: &Scene, at: At) -> Vec<(&'static str, Answer)> {
    let packed = crate::published::gzip(scene.text(at).as_bytes());
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = packed.clone();
        change(&mut bytes);
        Answer::json(bytes).header("Content-Encoding", "gzip")
    };
    let end = packed.len();
    vec![
        ("the head", changed(&|bytes| bytes[0] ^= 1)),
        ("the middle", changed(&|bytes| bytes[end / 2..].iter_mut().for_each(|byte| *byte ^= 0x55))),
        ("the checksum", changed(&|bytes| bytes[end - 5] ^= 1)),
        ("the length", changed(&|bytes| bytes[end - 1] ^= 1)),
        ("no checksum", changed(&|bytes| bytes.truncate(end - 8))),
        ("half", changed(&|bytes| bytes.truncate(end / 2))),
        ("not gzip", Answer::json(scene.text(at)).header("Content-Encoding", "gzip")),
    ]
}

#[test]
fn a_corrupt_gzip_body_is_asked_for_again_and_never_half_believed() {
    let count = corrupt(&Scene::new(), At::First).len();
    let cases: Vec<_> = (0..count).flat_map(|number| At::ALL.map(|at| (number, at))).collect();
    each(
        &cases,
        |(number, at)| format!("{} at {at:?}", corrupt(&Scene::new(), *at)[*number].0),
        |&(number, at)| {
            let scene = Scene::new();
            let (_, answer) = corrupt(&scene, at).swap_remove(number);
            let scene = scene.breaks(at, [answer.clone()]);
            let good = Good::of(&scene);
            scene.in_library().published(&if at == At::Periods { good } else { good.after(5) });

            let scene = Scene::new().always(at, answer);
            let told = ["gzip", "(given up after 8 attempts)"];
            scene.in_library().failed(at, &Failure::unavailable(&told, "run again later").after(8));
        },
    );
}

#[test]
fn a_body_packed_in_a_way_that_was_not_asked_for_ends_with_4() {
    let encodings = ["br", "zstd", "deflate", "gzip, gzip"];
    each(
        &encodings,
        |encoding| (*encoding).to_owned(),
        |encoding| {
            let scene = Scene::new();
            let answer = scene.good(At::Second).header("Content-Encoding", encoding);
            let scene = scene.always(At::Second, answer);
            let told = [&format!("packed as {encoding}, which was not asked for"), "(given up after 8 attempts)"];
            scene.in_library().failed(At::Second, &Failure::unavailable(&told, "run again later").after(8));
        },
    );
}

/// Gzip of `before`, and then of so many times 16 MiB of this byte.
fn bomb(before: &[u8], byte: u8, times: usize) -> Vec<u8> {
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let pack = |text: &[u8]| {
        let mut out = Vec::with_capacity(text.len() + 64);
        let mut compress = Compress::new(Compression::best(), false);
        compress.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
        out
    };
    bytes.write_all(&pack(before)).unwrap();
    let block = pack(&vec![byte; 16 << 20]);
    (0..times).for_each(|_| bytes.extend(&block));
    bytes
}

#[test]
fn a_bomb_stops_at_a_bound_with_memory_flat() {
    let row = br#"{"data":[{"cost":1,"date":"2024-11-01","meterName":""#;
    let bombs: [(&str, Vec<u8>, &str); 4] = [
        ("10 GB of zeros", bomb(b"", 0, 640), "not JSON"),
        ("10 GB of white space", bomb(b"{", b' ', 640), "unpacks to more than"),
        ("10 GB of one text", bomb(row, b'x', 640), "unpacks to more than"),
        ("10 GB of digits", bomb(br#"{"data":[{"cost":1"#, b'1', 640), "unpacks to more than"),
    ];
    for (name, bytes, told) in bombs {
        assert!(bytes.len() < 64 << 20, "{name}");
        let answer = Answer::json(bytes).header("Content-Encoding", "gzip");
        for at in [At::First, At::Periods] {
            let scene = Scene::new().always(at, answer.clone());
            // The address space is bounded, far below what the bomb unpacks to.
            let done = scene.ran(finish(scene.program().under("ulimit -v 1048576").start()));
            match (told, at) {
                ("not JSON", At::First) => done.failed(at, &Failure::data(&[told]).after(2).once()),
                _ => done.failed(at, &Failure::data(&["unpacks to more than"]).once()),
            }
        }
    }
}
