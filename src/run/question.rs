//! What a chat stage asks of a record, and what it makes of the answer.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    ledger::{Answer, Refusal, RequestId},
    mistral::{
        Endpoint, Expected, Reply, Said, estimate_tokens, price, read_answer,
        wire::{ChatRequest, Content, Message, NamedSchema, ResponseFormat, Role},
    },
    plan::{Chat, Node, Prompt},
    record::{ANSWER, Failure, FailureKind, Record},
    template::{RenderError, Template},
};

use super::{RunError, transform::When};

/// A chat stage, ready to ask.
pub(super) struct Question {
    pub(super) stage: Arc<str>,
    pub(super) chat: Chat,
    pub(super) when: When,
    system: Option<Template>,
    prompt: Template,
    expected: Option<Expected>,
}

/// A request that has been written but not sent.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) id: RequestId,
    pub(super) body: Bytes,
    /// About what it will cost in tokens.
    pub(super) tokens: u64,
}

/// What became of a request, in the end.
#[derive(Debug, Clone)]
pub(super) enum Settled {
    /// An answer that fits.
    Answered { value: Value, answer: Value },
    /// No answer fits, and there are no attempts left.
    Failed { kind: FailureKind, reason: String, attempts: u32, reply: Option<String> },
}

/// Tokens that an answer may have where the stage sets no limit, for the limit on tokens.
const ANSWER_TOKENS: u64 = 1000;

impl Question {
    pub(super) fn new(node: &Node, chat: &Chat) -> Result<Self, RunError> {
        let template = |prompt: &Prompt| {
            Template::parse(&prompt.text, &prompt.includes).map_err(|_| RunError::Plan(node.name.to_string()))
        };
        let expected = chat.schema.as_ref().map(|schema| Expected::new(&schema.json)).transpose();
        Ok(Self {
            stage: Arc::clone(&node.name),
            chat: chat.clone(),
            when: When::new(node.when.as_deref())?,
            system: chat.system.as_ref().map(template).transpose()?,
            prompt: template(&chat.prompt)?,
            expected: expected.map_err(|_| RunError::Plan(node.name.to_string()))?,
        })
    }

    /// The request for a record.
    pub(super) fn write(&self, record: &Record) -> Result<Written, RenderError> {
        let mut messages = Vec::with_capacity(2);
        for (role, template) in [(Role::System, self.system.as_ref()), (Role::User, Some(&self.prompt))] {
            if let Some(template) = template {
                messages.push(Message { role, content: Content::Text(template.render(&record.fields)?) });
            }
        }
        let request = ChatRequest {
            temperature: self.chat.temperature,
            top_p: self.chat.top_p,
            max_tokens: self.chat.max_tokens,
            random_seed: self.chat.random_seed,
            response_format: self.chat.schema.as_ref().map(|schema| ResponseFormat::JsonSchema {
                json_schema: NamedSchema {
                    name: schema.name.clone(),
                    description: None,
                    schema: schema.json.clone(),
                    strict: true,
                },
            }),
            ..ChatRequest::new(self.chat.model.clone(), messages)
        };
        // Texts and numbers, which always have a JSON form.
        let body = serde_json::to_vec(&request).unwrap_or_default();
        let tokens = estimate_tokens(body.len()) + self.chat.max_tokens.unwrap_or(ANSWER_TOKENS);
        Ok(Written { id: RequestId::of(Endpoint::Chat.path(), &body), body: body.into(), tokens })
    }

    /// The ledger's row for what was said, judged.
    pub(super) fn answer(&self, written: &Written, key: &str, attempt: u32, said: &Said) -> Answer {
        let Reply { model, text: reply, finish_reason, usage, pages: _ } = said.reply.clone();
        Answer {
            request: written.id,
            attempt,
            stage: self.stage.to_string(),
            key: key.to_owned(),
            asked_model: self.chat.model.clone(),
            refusal: self.judge(&reply, finish_reason.as_deref()).err(),
            cost: price(&model).map(|price| price.of(usage.prompt_tokens, usage.completion_tokens)),
            model,
            reply,
            finish_reason,
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            latency_ms: said.latency.as_millis() as u64,
        }
    }

    /// The value of an answer, or why it is refused.
    fn judge(&self, reply: &str, finish_reason: Option<&str>) -> Result<Value, Refusal> {
        if let Some(reason @ ("length" | "model_length")) = finish_reason {
            let limit = match (reason, self.chat.max_tokens) {
                ("length", Some(max)) => format!("`max_tokens: {max}`"),
                ("length", None) => "the model's own limit on answers".to_owned(),
                _ => "the length of the model's context".to_owned(),
            };
            return Err(Refusal {
                kind: FailureKind::Length,
                reason: format!("the answer was cut at {limit}"),
            });
        }
        let refused = |reason: String| Refusal { kind: FailureKind::Refused, reason };
        match &self.expected {
            Some(expected) => read_answer(reply, expected).map_err(refused),
            None if reply.trim().is_empty() => Err(refused("the answer is empty".to_owned())),
            None => Ok(Value::from(reply)),
        }
    }

    /// What the answers so far come to: an answer that fits, or a failure once there are no more
    /// attempts; nothing as long as it is worth asking again.
    ///
    /// Answers are judged anew, not by what was found when they came: what counts is the program and
    /// the schema that the record meets now.
    pub(super) fn settle(&self, answers: &[Answer]) -> Option<Settled> {
        let mut last = None;
        for answer in answers {
            match self.judge(&answer.reply, answer.finish_reason.as_deref()) {
                Ok(value) => {
                    let about = json!({
                        "model": answer.model,
                        "request": answer.request.to_string(),
                        "attempt": answer.attempt,
                        "prompt_tokens": answer.prompt_tokens,
                        "completion_tokens": answer.completion_tokens,
                    });
                    return Some(Settled::Answered { value, answer: about });
                }
                Err(refusal) => last = Some((refusal, answer)),
            }
        }
        let (refusal, answer) = last?;
        (answers.len() as u32 >= self.chat.attempts).then(|| Settled::Failed {
            kind: refusal.kind,
            reason: refusal.reason,
            attempts: answers.len() as u32,
            reply: Some(answer.reply.clone()),
        })
    }

    /// The record with its answer, or the failure that it became.
    pub(super) fn outcome(&self, mut record: Record, settled: Settled) -> Result<Record, Box<Failure>> {
        match settled {
            Settled::Answered { value, answer } => {
                record.fields.insert(self.chat.into.clone(), value);
                record.fields.insert(ANSWER.to_owned(), answer);
                Ok(record)
            }
            Settled::Failed { kind, reason, attempts, reply } => Err(Box::new(Failure {
                record,
                stage: Arc::clone(&self.stage),
                kind,
                reason,
                attempts,
                reply,
            })),
        }
    }
}
