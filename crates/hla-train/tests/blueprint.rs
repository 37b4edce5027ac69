//! What a trainer knows of programs without their graphs.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use hla_passes::training::{Quantizer, Sphere, TrainingOptions};
use hla_train::{Blueprint, Part};

fn options() -> [TrainingOptions; 3] {
    let default = TrainingOptions::default();
    [
        default.clone(),
        TrainingOptions {
            quantizer: Quantizer::Ttq,
            sphere: Sphere::Off,
            ..default.clone()
        },
        TrainingOptions {
            sphere: Sphere::Project,
            quantize_all: true,
            ..default
        },
    ]
}

#[test]
fn parts_are_named_as_their_graphs() {
    for options in options() {
        let made = common::graphs(&options);
        for part in Part::ALL {
            match part.graph(&made.graphs) {
                Some(graph) => assert_eq!(graph.name, part.name()),
                None => assert!(part == Part::Sphere && !made.blueprint.has_sphere),
            }
        }
    }
}

#[test]
fn json_gives_the_same_back() {
    for options in options() {
        let made = common::graphs(&options);
        let given = BTreeMap::from([("batch".to_owned(), "16".to_owned())]);
        let blueprint = Blueprint::of(&made.graphs, given);
        assert!(blueprint.state.len() > 10 && !blueprint.layers.is_empty());
        let again = Blueprint::from_json(&blueprint.to_json()).unwrap();
        assert_eq!(again, blueprint);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let text = common::graphs(&TrainingOptions::default())
        .blueprint
        .to_json();
    for (from, to, says) in [
        (
            "\"version\":1",
            "\"version\":2",
            "it has version 2, but 1 is known",
        ),
        (
            "\"dtype\":\"f32\"",
            "\"dtype\":\"f31\"",
            "'f31' is no element type",
        ),
        (
            "\"role\":\"weight\"",
            "\"role\":\"wait\"",
            "unknown variant `wait`",
        ),
        ("\"axis\":2", "\"axis\":3", "does not fit its state"),
        ("\"classes\"", "\"glasses\"", "glasses"),
        (
            "\"shape\":[",
            "\"shape\":[1048576,1048576,",
            "more than 2^40 elements",
        ),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let error = Blueprint::from_json(&changed).unwrap_err();
        assert!(error.message.contains(says), "{error}");
        assert!(error.help.is_some());
    }
    assert!(Blueprint::from_json(&text[..text.len() / 2]).is_err());
}
