//! Checks before the first request: the key works, and the model exists, is not retired and accepts the request.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::OnceCell;

use crate::{
    mistral::{
        self, CallError, Client,
        wire::{Model, SIMULATOR_OWNER},
    },
    plan::Task,
    request::{error::WriteError, model_map::ModelMap, written::Written},
    run::error::RunError,
};

/// The server's models, listed once and only when a request is due.
pub(crate) struct Preflight {
    models: OnceCell<Vec<Model>>,
    is_mistral: bool,
    /// Set once the server identifies itself as a simulator.
    simulated: Arc<AtomicBool>,
}

impl Preflight {
    /// Nothing is listed yet. Only Mistral's own list of models is complete.
    pub(crate) fn new(is_mistral: bool, simulated: Arc<AtomicBool>) -> Self {
        Self { models: OnceCell::new(), is_mistral, simulated }
    }

    /// Checks a stage's model. Another server may list no models, or not this one; only Mistral's own list is
    /// complete.
    pub(crate) async fn check(
        &self,
        client: &Client,
        model_map: &ModelMap,
        model: &str,
    ) -> Result<(), RunError> {
        let client = client.clone().with_retry_policy(model_map.ask.retry);
        let models = self.models.get_or_try_init(|| async {
            match client.models().await {
                Ok(models) => Ok(models),
                Err(CallError::Stop(cause)) if self.is_mistral => Err(RunError::from(cause)),
                Err(_) => Ok(Vec::new()),
            }
        });
        let models = models.await?;
        if models.iter().any(|model| model.owned_by == SIMULATOR_OWNER) {
            self.simulated.store(true, Ordering::Relaxed);
        }
        if models.is_empty() || !self.is_mistral {
            return Ok(());
        }
        check(models, model_map, model)
    }

    /// Whether a request to a record's model may be sent. An unknown model from a template fails only its record.
    ///
    /// # Errors
    /// An unknown model in the spec, or a server that cannot be reached.
    pub(crate) async fn may_be_sent(
        &self,
        client: &Client,
        model_map: &ModelMap,
        written: &Written,
    ) -> Result<Result<(), WriteError>, RunError> {
        let model = &*written.model;
        match self.check(client, model_map, model).await {
            Ok(()) => Ok(self.too_long(model_map, written).map_or(Ok(()), Err)),
            Err(error @ (RunError::NoModel { .. } | RunError::Retired { .. } | RunError::Context { .. }))
                if !model_map.ask.model.is_written(model) =>
            {
                Ok(Err(WriteError::Model(error.to_string())))
            }
            Err(error) => Err(error),
        }
    }

    /// Why a request can never fit into its model's context, if so. A prompt near the limit is sent: the service
    /// counts it, and refuses it at no cost.
    pub(crate) fn too_long(&self, model_map: &ModelMap, written: &Written) -> Option<WriteError> {
        let listed = self.models.get().and_then(|models| {
            let model = models.iter().find(|model| is_called(model, &written.model))?;
            model.max_context_length
        });
        let table = || mistral::context(&written.model).filter(|_| self.is_mistral);
        let context = listed.or_else(table)?;
        let most = match &model_map.ask.task {
            Task::Chat(chat) => chat.settings.max_tokens().unwrap_or(0),
            Task::Call(_) => 0,
        };
        (written.least + most > context).then(|| WriteError::Context {
            model: written.model.to_string(),
            least: written.least + most,
            context,
        })
    }
}

fn is_called(model: &Model, name: &str) -> bool {
    model.id == name || model.aliases.iter().any(|alias| alias == name)
}

fn check(models: &[Model], model_map: &ModelMap, model: &str) -> Result<(), RunError> {
    let (stage, name) = (model_map.stage.to_string(), model.to_owned());
    let found = models.iter().find(|model| is_called(model, &name));
    let Some(model) = found else {
        let known = models.iter().map(|model| model.id.as_str());
        let near = crate::diagnostic::nearest(&name, known).map(str::to_owned);
        return Err(RunError::NoModel { stage, model: name, near });
    };
    let retired = model.deprecation.as_ref().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    if retired.is_some_and(|at| at <= jiff::Timestamp::now()) {
        let instead = model.deprecation_replacement_model.clone();
        return Err(RunError::Retired { stage, model: name, instead });
    }
    if let (Task::Chat(chat), Some(context)) = (&model_map.ask.task, model.max_context_length)
        && let Some(most) = chat.settings.max_tokens().filter(|most| *most >= context)
    {
        return Err(RunError::Context { stage, model: name, context, most });
    }
    Ok(())
}
