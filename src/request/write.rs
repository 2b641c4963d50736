//! Request bodies, written from a plan and identified by their hash. Main type: [`Writer`].

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::{
    expressions::Unusable,
    ledger::RequestId,
    mistral::{
        Endpoint, Used, estimate_tokens, least_tokens,
        wire::{CHAT_PATH, Content, Message, Role, document_chunk, image_chunk, text_chunk},
    },
    plan::{Ask, Chat, Field, Model, Node, Prompt, Task},
    record::{self, Record},
    template::Template,
};

use super::{
    attachment::{Attachment, AttachmentError, Kind},
    cost::{Costs, pages_of},
    error::{SetupError, WriteError},
    frame::Frame,
    media_type::is_image_address,
    mock::Mocks,
    setup::Setup,
    written::{Sending, Written},
};

/// The body of a request.
struct Composed {
    model: String,
    id: RequestId,
    older: Option<RequestId>,
    body: Vec<u8>,
    /// The bytes that are not part of its identity.
    beside: usize,
    /// The bytes of attached files.
    attached: usize,
    /// The most pages that it requests.
    pages: u64,
}

/// The estimated tokens of an image of common size, or of a few pages.
const ATTACHED_TOKENS: u64 = 3000;

/// Tokens assumed for an answer without a limit, for the token rate limit.
const ANSWER_TOKENS: u64 = 1000;

/// The key of a stage's cache: requests of a stage share a prefix.
fn cache_key(pipeline: &str, stage: &str) -> String {
    let hash = blake3::hash(format!("{pipeline}\0{stage}").as_bytes());
    format!("etl-{}", &hash.to_hex()[..16])
}

/// The template of a request body.
enum Body {
    /// The messages and the other fields of a chat.
    Chat(Box<ChatBody>),
    /// The fields of another endpoint, in order.
    Call(Vec<(&'static str, Part)>),
}

/// The template of a chat body.
struct ChatBody {
    system: Option<Template>,
    prompt: Template,
    frame: Frame,
}

/// A field of a request other than chat.
enum Part {
    Text(Box<Template>),
    Texts(Vec<Template>),
    /// The next document.
    Document,
    Constant(Value),
}

fn part(field: &Field, template: &impl Fn(&Prompt) -> Result<Template, Unusable>) -> Result<Part, Unusable> {
    Ok(match field {
        Field::Text(prompt) => Part::Text(Box::new(template(prompt)?)),
        Field::Texts(prompts) => Part::Texts(prompts.iter().map(template).collect::<Result<_, _>>()?),
        Field::Document(_) => Part::Document,
        Field::Constant(value) => Part::Constant(value.clone()),
    })
}

/// Writes the requests of a stage.
pub(crate) struct Writer {
    pub(super) ask: Ask,
    pub(crate) endpoint: Endpoint,
    /// The template of the model's name, if it is one.
    model: Option<Template>,
    content: Body,
    /// Attached images and documents.
    attachments: Vec<Attachment>,
    costs: Arc<Costs>,
    /// Whether models without a price are forbidden.
    priced: bool,
    /// The simulator's answers.
    mocks: Mocks,
}

impl Writer {
    pub(super) fn new(
        node: &Node,
        ask: &Ask,
        costs: &Arc<Costs>,
        setup: &Setup<'_>,
    ) -> Result<Self, SetupError> {
        let wrong = || Unusable(node.name.to_string());
        let maps = &node.input.maps;
        let template =
            |prompt: &Prompt| Template::parse(&prompt.text, &prompt.includes, maps).map_err(|_| wrong());
        let (path, chat) = match &ask.task {
            Task::Chat(chat) => (CHAT_PATH, Some(&**chat)),
            Task::Call(call) => (call.kind.path, None),
        };
        let images = chat.iter().flat_map(|chat| &chat.images).map(|image| (image, Kind::Image));
        let documents = chat.iter().flat_map(|chat| &chat.documents).chain(ask.task.documents());
        let attachments = images.chain(documents.map(|document| (document, Kind::Document)));
        let frame = |chat: &Chat| -> Result<_, Unusable> {
            let key = setup.cached_for.map(|pipeline| cache_key(pipeline, &node.name));
            Frame::new(chat, maps, key).ok_or_else(wrong)
        };
        let model = match &ask.model {
            Model::Named(_) => None,
            Model::Template { name, .. } => Some(template(name)?),
        };
        Ok(Self {
            endpoint: Endpoint::of_path(path).ok_or_else(wrong)?,
            model,
            priced: setup.priced,
            attachments: attachments
                .map(|(attachment, kind)| Attachment::new(attachment, kind, maps).map_err(|_| wrong()))
                .collect::<Result<_, _>>()?,
            content: match &ask.task {
                Task::Chat(chat) => Body::Chat(Box::new(ChatBody {
                    system: chat.system.as_ref().map(template).transpose()?,
                    prompt: template(&chat.prompt)?,
                    frame: frame(chat)?,
                })),
                Task::Call(call) => Body::Call(
                    call.fields
                        .iter()
                        .map(|(name, field)| Ok((*name, part(field, &template)?)))
                        .collect::<Result<_, Unusable>>()?,
                ),
            },
            costs: Arc::clone(costs),
            mocks: Mocks::new(node, ask, setup.engine, setup.offline)?,
            ask: ask.clone(),
        })
    }

    /// Whether files are attached.
    pub(crate) fn attaches(&self) -> bool {
        !self.attachments.is_empty()
    }

    /// The request for a record.
    pub(crate) async fn write(&self, record: &Record) -> Result<Written, WriteError> {
        self.mocks.saw(record);
        let Composed { model, id, older, body, beside, attached, pages } = self.compose(record).await?;
        let prompt =
            estimate_tokens(body.len() - attached - beside) + ATTACHED_TOKENS * self.attachments.len() as u64;
        let most = self.answer_tokens();
        let used = Used { prompt_tokens: prompt, completion_tokens: most, pages, ..Used::default() };
        let cost = self.costs.most(&model, used);
        if cost.is_none() && self.priced {
            return Err(WriteError::Model(format!(
                "the price of `{model}` is unknown, but there is a budget: add it under `prices:`"
            )));
        }
        Ok(Written {
            id,
            older,
            least: if self.attaches() { 0 } else { least_tokens(&body) },
            model: model.into(),
            // Hundreds of records may wait, and an image has megabytes.
            body: (!self.attaches()).then(|| body.into()),
            prompt,
            tokens: prompt + most,
            pages,
            cost: cost.unwrap_or_default(),
        })
    }

    /// The body of a written request; written again if it contains files.
    pub(crate) async fn body(&self, record: &Record, written: &Written) -> Result<Bytes, WriteError> {
        if let Some(body) = &written.body {
            return Ok(body.clone());
        }
        let Composed { id, older, body, .. } = self.compose(record).await?;
        // The answer must be stored under the request really sent.
        match id == written.id || older == Some(written.id) {
            true => Ok(body.into()),
            false => Err(AttachmentError::Changed.into()),
        }
    }

    /// Whether the next attempt includes the refused answers.
    pub(super) fn shows_refused(&self) -> bool {
        self.ask.feedback && matches!(self.ask.task, Task::Chat(_))
    }

    /// The body of the next attempt: the request itself, or the conversation continued with the refused answers
    /// and the reasons.
    pub(super) async fn sending(
        &self,
        record: &Record,
        written: &Written,
        refused: Vec<(String, String)>,
    ) -> Result<Sending, WriteError> {
        let mut sending = self.conversation(record, written, refused).await?;
        if !self.mocks.is_empty() {
            if let Some(number) = self.sample_number(record) {
                sending.body = numbered(&sending.body, number);
            }
            let given = self.mocks.give(record, self.endpoint.path(), &sending.body);
            given.map_err(|why| WriteError::Expression(format!("`mock`: {why}")))?;
        }
        Ok(sending)
    }

    async fn conversation(
        &self,
        record: &Record,
        written: &Written,
        refused: Vec<(String, String)>,
    ) -> Result<Sending, WriteError> {
        let first = self.body(record, written).await?;
        let same = Sending { body: first.clone(), tokens: written.tokens, cost: written.cost };
        if refused.is_empty() {
            return Ok(same);
        }
        let mut body: Value = serde_json::from_slice(&first).unwrap_or_default();
        let Some(messages) = body["messages"].as_array_mut() else { return Ok(same) };
        for (reply, reason) in refused {
            messages.push(json!({ "role": "assistant", "content": reply }));
            messages.push(json!({ "role": "user", "content": feedback(&reason) }));
        }
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let more = estimate_tokens(body.len().saturating_sub(first.len()));
        let used = Used {
            prompt_tokens: written.prompt + more,
            completion_tokens: self.answer_tokens(),
            pages: written.pages,
            ..Used::default()
        };
        let cost = self.costs.most(&written.model, used).unwrap_or_default();
        Ok(Sending { body: body.into(), tokens: written.tokens + more, cost })
    }

    /// The body for a record, and its identity; from the second sample on, the identity includes the sample number.
    async fn compose(&self, record: &Record) -> Result<Composed, WriteError> {
        let composed = self.composed(record).await?;
        Ok(match self.sample_number(record) {
            Some(number) => Composed { id: composed.id.sample(number), older: None, ..composed },
            None => composed,
        })
    }

    /// The sample number, if not the first.
    fn sample_number(&self, record: &Record) -> Option<i64> {
        match self.ask.sample.as_ref().and_then(|field| record.get(field)) {
            Some(record::Value::Integer(number @ 2..)) => Some(*number),
            _ => None,
        }
    }

    async fn composed(&self, record: &Record) -> Result<Composed, WriteError> {
        let model = self.model_of(record)?;
        let mut urls = Vec::with_capacity(self.attachments.len());
        for attachment in &self.attachments {
            urls.push(attachment.url(record).await?);
        }
        let pages = match &self.ask.task {
            Task::Call(call) if call.kind.counts_pages => pages_of(urls.first(), call.pages()),
            Task::Call(_) | Task::Chat(_) => 0,
        };
        let attached = urls.iter().filter(|url| url.starts_with("data:")).map(String::len).sum();
        let path = self.endpoint.path();
        let fields = match &self.content {
            Body::Chat(chat) => {
                let ChatBody { system, prompt, frame } = &**chat;
                let prompt = prompt.render(record)?;
                let system = system.as_ref().map(|system| system.render(record)).transpose()?;
                let content = self.content(prompt, &urls);
                let mut framed = frame.of(record)?;
                framed.request.model.clone_from(&model);
                framed.request.messages = messages(system, content);
                let (identity, body) = framed.bytes();
                let beside = body.len() - identity.len();
                let (id, older) = (RequestId::of(path, &identity), framed.older(path));
                return Ok(Composed { model, id, older, body, beside, attached, pages });
            }
            Body::Call(fields) => fields,
        };
        let mut body = Map::new();
        body.insert("model".to_owned(), model.as_str().into());
        let mut documents = urls.iter();
        for (name, part) in fields {
            let value = match part {
                Part::Text(text) => text.render(record)?.into(),
                Part::Texts(texts) => {
                    texts.iter().map(|text| text.render(record)).collect::<Result<Value, _>>()?
                }
                Part::Document => documents.next().map(|url| document(url)).into(),
                Part::Constant(value) => value.clone(),
            };
            body.insert((*name).to_owned(), value);
        }
        // Strings and numbers always serialize to JSON.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let id = RequestId::of(path, &body);
        Ok(Composed { model, id, older: None, body, beside: 0, attached, pages })
    }

    /// The model for a record.
    fn model_of(&self, record: &Record) -> Result<String, WriteError> {
        match (&self.ask.model, &self.model) {
            (Model::Named(name), _) => Ok(name.clone()),
            (Model::Template { .. }, Some(template)) => match template.render(record)?.trim() {
                "" => Err(WriteError::Model("the template of `model:` renders to an empty name".to_owned())),
                name => Ok(name.to_owned()),
            },
            (Model::Template { .. }, None) => Err(WriteError::Model("`model:` has no template".to_owned())),
        }
    }

    fn content(&self, text: String, urls: &[String]) -> Content {
        if urls.is_empty() {
            return Content::Text(text);
        }
        let chunks = self.attachments.iter().zip(urls).map(|(attachment, url)| match attachment.kind {
            // Mistral also accepts a bare string; compatible servers do not.
            Kind::Image => json!({ "type": "image_url", "image_url": { "url": url } }),
            Kind::Document => document_chunk(url),
        });
        Content::Chunks([text_chunk(&text)].into_iter().chain(chunks).collect())
    }

    /// The estimated tokens of an answer.
    pub(crate) fn answer_tokens(&self) -> u64 {
        match &self.ask.task {
            Task::Chat(chat) => chat.settings.max_tokens().unwrap_or(ANSWER_TOKENS),
            Task::Call(_) => 0,
        }
    }
}

/// The body with its sample number, by which a simulator distinguishes the supplied answers.
fn numbered(body: &Bytes, sample: i64) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return body.clone() };
    value["metadata"]["sample"] = sample.to_string().into();
    serde_json::to_vec(&value).map_or_else(|_| body.clone(), Bytes::from)
}

/// The message to a model about a refused answer.
fn feedback(reason: &str) -> String {
    format!("Your answer was refused: {reason}\n\nAnswer again, completely, and without this mistake.")
}

fn messages(system: Option<String>, prompt: Content) -> Vec<Message> {
    let system = system.map(|text| Message { role: Role::System, content: Content::Text(text) });
    let prompt = Message { role: Role::User, content: prompt };
    system.into_iter().chain([prompt]).collect()
}

/// A document by URL, in the form that the service expects.
fn document(address: &str) -> Value {
    match is_image_address(address) {
        true => image_chunk(address),
        false => document_chunk(address),
    }
}
