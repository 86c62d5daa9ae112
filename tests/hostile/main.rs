//! Hostile tapes, each restored in every way that there is: by the catalog, from the tape alone,
//! by rescue, and as a tar archive. Nothing gets out of the target, nothing panics, memory is
//! bounded, and what lies beside comes back where the tape can still be made sense of.
#![allow(missing_docs, clippy::unwrap_used)]

mod cases;
mod forge;
#[path = "../common/noise.rs"]
mod noise;
#[allow(dead_code)]
#[path = "../readback/rig.rs"]
mod rig;
#[path = "../common/root.rs"]
mod root;
#[allow(dead_code)]
#[path = "../readback/tape.rs"]
mod tape;
#[path = "../common/volume.rs"]
mod volume;
mod ways;

use cases::CASES;
use ways::{Scene, WAYS};

#[test]
fn no_tape_leads_root_out_of_the_target_or_takes_the_machine_down() {
    if root::is_root() {
        no_tape_leads_out_of_the_target_or_takes_the_machine_down(false);
    }
}

#[test]
fn no_tape_leads_a_user_out_of_the_target_or_takes_the_machine_down() {
    no_tape_leads_out_of_the_target_or_takes_the_machine_down(true);
}

fn no_tape_leads_out_of_the_target_or_takes_the_machine_down(as_user: bool) {
    let mut otherwise = Vec::new();
    for case in CASES {
        let scene = Scene::new(as_user);
        let volume = (case.tape)(&scene);
        scene.put(&volume);
        let before = scene.outside();
        let brings = WAYS.map(|way| {
            let brings = scene.restore(way);
            let after = scene.outside();
            assert_eq!(after, before, "{} by {way:?}", case.what);
            brings
        });
        if brings != case.brings {
            otherwise.push((case.what, brings));
        }
    }
    assert_eq!(otherwise, [], "the good file beside it");
}
