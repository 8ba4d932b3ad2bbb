use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::Recorder;

/// Times a recorder's operations, from the making of their spans to their end. Everything else passes it by; what other
/// layers see does not change, nor does what they filter change what is timed.
pub fn layer<S>(recorder: &Arc<Recorder>) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let (known, asked) = (Arc::clone(recorder), Arc::clone(recorder));
    let wanted = move |metadata: &Metadata<'_>, _: &Context<'_, S>| {
        metadata.is_span()
            && asked.position(metadata.name()).is_some_and(|position| asked.slot(position).is_next())
    };
    // Asked once for each place in the code, so that what is never timed costs nothing from then on.
    let ever = move |metadata: &'static Metadata<'static>| {
        let known = metadata.is_span() && known.position(metadata.name()).is_some();
        if known { Interest::sometimes() } else { Interest::never() }
    };
    let filter = dynamic_filter_fn(wanted).with_callsite_filter(ever);
    Timer(Arc::clone(recorder)).with_filter(filter.with_max_level_hint(LevelFilter::DEBUG))
}

struct Timer(Arc<Recorder>);

/// What a span keeps.
struct Timing {
    started: Instant,
    position: usize,
    weight: u64,
    apart: bool,
}

impl<S> Layer<S> for Timer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(position) = self.0.position(attributes.metadata().name()) else { return };
        let weight = self.0.slot(position).weight();
        if let Some(span) = context.span(id) {
            let started = Instant::now();
            span.extensions_mut().insert(Timing { started, position, weight, apart: false });
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let Some(timing) = extensions.get_mut::<Timing>() else { return };
        if let Some(apart) = self.0.slot(timing.position).operation.apart {
            values.record(&mut Look { field: apart.field, found: &mut timing.apart });
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let extensions = span.extensions();
        let Some(timing) = extensions.get::<Timing>() else { return };
        self.0.slot(timing.position).record(timing.apart, timing.started.elapsed(), timing.weight);
    }
}

/// Looks for one field.
struct Look<'a> {
    field: &'static str,
    found: &'a mut bool,
}

impl Visit for Look<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == self.field {
            *self.found = value;
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}
}
