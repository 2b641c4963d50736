//! Batch stages: many records become a job, the job ends, and its records are collected.

use crate::{
    diagnostic::Fault,
    event::StageKind,
    record::{LogicalType, Schema},
    spec::{AskSpec, CollectSpec, Form, Name, PollSpec, Spec},
};

use super::{Poll, Port, Step, compiler::Compiler, graph::Graph, shape::Shape};

/// The field of a job record with the state of the job: `job.status`, `job.completed`, …
pub(crate) const JOB: &str = "job";

/// The submit stage of a collect stage, found through the polls and throttles between them.
pub(super) fn submits(spec: &Spec, graph: &Graph, collect: usize) -> Option<(usize, bool)> {
    let mut at = collect;
    let mut polled = false;
    loop {
        let [edge] = &graph.inputs[at][..] else { return None };
        if edge.port != Port::Out {
            return None;
        }
        at = edge.stage;
        match (&spec.stages[at].form, spec.stages[at].kind) {
            (Some(Form::Submit(_)), _) => return Some((at, polled)),
            (_, StageKind::Poll) => polled = true,
            (_, StageKind::Throttle) => {}
            _ => return None,
        }
    }
}

/// The record of a job.
pub(super) fn job_shape() -> Shape {
    let text = |name: &str| (name.to_owned(), LogicalType::Varchar);
    let count = |name: &str| (name.to_owned(), LogicalType::BigInt);
    let job = LogicalType::Struct(vec![
        text("token"),
        text("id"),
        text("status"),
        count("requests"),
        count("completed"),
        count("succeeded"),
        count("failed"),
    ]);
    Shape { schema: Schema::new([(JOB, job)]), ..Shape::default() }
}

impl Compiler<'_> {
    /// Compiles a submit stage: its task is checked here, and its result type is set where it is
    /// collected.
    pub(super) fn submit(
        &mut self,
        at: usize,
        name: &Name,
        ask: &AskSpec,
        graph: &Graph,
        shape: Option<&Shape>,
    ) -> (Option<Step>, Option<Shape>) {
        let collects: Vec<usize> = (0..graph.inputs.len())
            .filter(|stage| matches!(self.spec.stages[*stage].form, Some(Form::Collect(_))))
            .filter(|stage| submits(self.spec, graph, *stage).is_some_and(|(submit, _)| submit == at))
            .collect();
        let [collect] = collects[..] else {
            self.report(Fault::Uncollected(name.value.to_string()), name.place.clone());
            return (None, None);
        };
        let collecting = &self.spec.stages[collect];
        let into = match &collecting.form {
            Some(Form::Collect(CollectSpec { into: Some(into) })) => into.value.to_string(),
            _ => collecting.name.value.to_string(),
        };
        let (ask, after) = self.ask(ask, &collecting.name.value, &into, shape);
        if let Some((before, after)) = shape.cloned().zip(after) {
            self.collected.insert(at, (before, after));
        }
        (ask.map(|ask| Step::Submit(Box::new(ask))), Some(job_shape()))
    }

    /// Compiles a collect stage; its step names the submit stage once that has an id. Returns the shapes before and
    /// after.
    pub(super) fn collect(&mut self, at: usize, name: &Name, graph: &Graph) -> Option<(Shape, Shape)> {
        let submits = submits(self.spec, graph, at);
        if let Some((submit, _)) = submits {
            self.jobs_of_one(at, submit, graph);
        }
        match submits {
            Some((submit, true)) => self.collected.get(&submit).cloned(),
            Some((_, false)) => {
                self.report(Fault::Unpolled(name.value.to_string()), name.place.clone());
                None
            }
            None => {
                // A mistake in `from` has already been reported.
                if !graph.inputs[at].is_empty() {
                    self.report(Fault::CollectsNothing(name.value.to_string()), name.place.clone());
                }
                None
            }
        }
    }

    /// Reports other readers of the jobs between submit and collect: a job is collected once.
    fn jobs_of_one(&mut self, collect: usize, submit: usize, graph: &Graph) {
        let mut at = collect;
        while at != submit {
            let [edge] = &graph.inputs[at][..] else { return };
            let reader = at;
            at = edge.stage;
            let reads = |other: usize| graph.inputs[other].iter().any(|edge| edge.stage == at);
            let others = (0..graph.inputs.len()).filter(|other| *other != reader && reads(*other));
            for other in others {
                let fault = Fault::SharedJobs {
                    stage: self.spec.stages[other].name.value.to_string(),
                    jobs: self.spec.stages[at].name.value.to_string(),
                    collect: self.spec.stages[collect].name.value.to_string(),
                };
                self.report(fault, self.spec.stages[other].name.place.clone());
            }
        }
    }

    /// Compiles a poll over the record of a job.
    pub(super) fn poll(&mut self, name: &Name, poll: &PollSpec, shape: Option<&Shape>) -> Step {
        if let Some(shape) = shape
            && shape.schema.get(JOB).is_none()
        {
            self.report(Fault::PollsNoJob(name.value.to_string()), name.place.clone());
        }
        if let Some(until) = &poll.until {
            self.condition(until, shape);
        }
        Step::Poll(Poll {
            schedule: poll.schedule,
            until: poll.until.as_ref().map(|until| until.value.clone()),
        })
    }
}
