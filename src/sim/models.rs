//! The simulated models.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{mistral::wire::SIMULATOR_OWNER, sim::reply::Refusal};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skill {
    Chat,
    /// Chat with thinking before the answer.
    Reasoning,
    Code,
    Embeddings,
    Ocr,
    Moderation,
    Classification,
}

pub(crate) struct Model {
    pub(crate) id: &'static str,
    /// The alias that moves to the next version.
    pub(crate) alias: Option<&'static str>,
    pub(crate) skill: Skill,
    /// The longest context, in tokens.
    pub(crate) context: u64,
    /// When it was retired, and its replacement.
    retired: Option<(&'static str, &'static str)>,
}

pub(crate) const fn model(id: &'static str, alias: &'static str, skill: Skill, context: u64) -> Model {
    Model { id, alias: Some(alias), skill, context, retired: None }
}

/// The models not specific to one endpoint.
pub(crate) const MODELS: &[Model] = &[
    model("mistral-large-2512", "mistral-large-latest", Skill::Chat, 262_144),
    model("mistral-medium-2604", "mistral-medium-latest", Skill::Reasoning, 131_072),
    model("mistral-small-2603", "mistral-small-latest", Skill::Reasoning, 131_072),
    model("ministral-8b-2512", "ministral-8b-latest", Skill::Chat, 262_144),
    model("ministral-3b-2512", "ministral-3b-latest", Skill::Chat, 262_144),
    model("open-mistral-nemo-2407", "open-mistral-nemo", Skill::Chat, 131_072),
    model("codestral-2508", "codestral-latest", Skill::Code, 262_144),
    model("mistral-embed-2312", "mistral-embed", Skill::Embeddings, 8_192),
    model("mistral-ocr-2512", "mistral-ocr-latest", Skill::Ocr, 16_384),
    model("mistral-moderation-2603", "mistral-moderation-latest", Skill::Moderation, 8_192),
    Model {
        id: "ft:classifier:ministral-3b:simulated",
        alias: None,
        skill: Skill::Classification,
        context: 131_072,
        retired: None,
    },
    Model {
        id: "magistral-small-2509",
        alias: Some("magistral-small-latest"),
        skill: Skill::Reasoning,
        context: 131_072,
        retired: Some(("2026-07-31T00:00:00Z", "mistral-small-latest")),
    },
];

impl Model {
    /// Whether it has this name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.id == name || self.alias == Some(name)
    }

    /// Fails if it is retired; the message uses this name.
    pub(crate) fn in_service(&self, name: &str) -> Result<(), Refusal> {
        match self.retired {
            None => Ok(()),
            Some((day, replacement)) => {
                let message = format!("The model {name} was retired on {}: use {replacement}", &day[..10]);
                Err(Refusal::object(StatusCode::NOT_FOUND, &message, "model_retired", "1913"))
            }
        }
    }

    /// Each name as a separate model, as the service lists them.
    pub(crate) fn cards(&self) -> impl Iterator<Item = Value> {
        self.alias.into_iter().chain([self.id]).map(|name| self.card(name))
    }

    pub(crate) fn card(&self, name: &str) -> Value {
        let aliases: Vec<&str> =
            self.alias.into_iter().chain([self.id]).filter(|other| *other != name).collect();
        let is = |skills: &[Skill]| skills.contains(&self.skill);
        let chat = is(&[Skill::Chat, Skill::Reasoning, Skill::Code]);
        json!({
            "id": name,
            "object": "model",
            "created": 1_760_000_000,
            "owned_by": SIMULATOR_OWNER,
            "capabilities": {
                "completion_chat": chat,
                "function_calling": chat,
                "reasoning": is(&[Skill::Reasoning]),
                "completion_fim": is(&[Skill::Code]),
                "fine_tuning": false,
                "vision": is(&[Skill::Chat, Skill::Reasoning]),
                "ocr": is(&[Skill::Ocr]),
                "classification": is(&[Skill::Classification]),
                "moderation": is(&[Skill::Moderation]),
                "audio": false,
                "audio_transcription": false,
            },
            "name": self.id,
            "description": "Simulated",
            "max_context_length": self.context,
            "aliases": aliases,
            "deprecation": self.retired.map(|(day, _)| day),
            "deprecation_replacement_model": self.retired.map(|(_, replacement)| replacement),
            "default_model_temperature": if chat { Some(0.3) } else { None },
            "type": "base",
        })
    }
}
