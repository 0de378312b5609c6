//! What STS's answers say about the time.

use std::time::SystemTime;

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef},
            dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use crate::skew::{Moment, Skew};

/// Tells a [`Skew`] about every answer, errors included: an answer to a signature of the wrong time is one.
#[derive(Debug)]
pub(super) struct Watch(Skew);

impl Watch {
    pub(super) fn new(skew: Skew) -> Self {
        Self(skew)
    }
}

/// When the request was sent.
#[derive(Debug, Clone, Copy)]
struct Sent(Moment);

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "palisade::date"
    }

    fn read_before_transmit(
        &self,
        _request: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(Sent(self.0.now()));
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        answer: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = answer.response().headers();
        // With an age it comes out of a cache (RFC 9111, section 5.1), and its date is of then.
        if headers.get("age").is_none()
            && let (Some(date), Some(sent)) = (headers.get("date").and_then(parsed), config.load::<Sent>())
        {
            self.0.observe(sent.0, date);
        }
        Ok(())
    }
}

fn parsed(date: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(date).ok()
}
