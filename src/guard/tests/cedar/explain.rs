//! What is told of a request that nobody sends.

use super::*;
use crate::guard::{Judged, Settled, Supposition, Within, cedar::Who};

/// What would become of acme's request.
async fn explained(bench: &Bench, asked: Request<Body>) -> Settled {
    let acme = tenant("acme");
    let who = Who::of(&acme, None);
    let mut record = bench.recorder.begin(Listener::Egress, asked.method(), &Peer::at("127.0.0.1:5".parse().unwrap()));
    let supposed = Supposition { values: &acme, who: (Some(&who), None) };
    bench.guard.explain(asked, None, supposed, &mut record).await.unwrap()
}

fn deletes(keys: &[&str]) -> Request<Body> {
    let objects: String = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
    request("POST /pool-data?delete", HOST, &[], format!("<Delete>{objects}</Delete>"))
}

/// What is denied ends nothing, and what is permitted is told as well.
#[tokio::test]
async fn every_question_is_told_with_its_answer() {
    let overflow = "context.weekday * 9223372036854775807 > 0";
    let bench = s3(&format!(
        "{EVERYTHING}@id(\"kept\") forbid(principal, action, resource is Palisade::Object) when {{ resource.key like \"*/kept/*\" }};
        @id(\"broken\") forbid(principal, action, resource is Palisade::Object) when {{ resource.key like \"*/odd/*\" && {overflow} }};"
    ));
    let settled = explained(&bench, deletes(&["acme/kept/a", "acme/b", "acme/odd/c"])).await;
    let about = |judged: &Judged| judged.thing.as_ref().map(|thing| thing.within.clone());
    let key = |key: &str| Some(Within::Key(key.to_owned()));
    assert_eq!(settled.judged.iter().map(about).collect::<Vec<_>>(), [key("acme/kept/a"), key("acme/b"), key("acme/odd/c")]);
    assert!(settled.judged.iter().all(|judged| judged.is_allowed), "the rules have nothing against it");
    let permitted = settled.permitted.unwrap();
    let told = permitted.asked.iter().map(|asked| {
        let policies: Vec<_> = asked.policies.iter().map(String::as_str).collect();
        (asked.action.as_str(), asked.resource.as_str(), asked.is_permitted, policies.join(" "), asked.errors.len())
    });
    let of = "s3:DeleteObject";
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (of, "Palisade::Object::\"pool-data/acme/kept/a\"", false, "kept".to_owned(), 0),
            (of, "Palisade::Object::\"pool-data/acme/b\"", true, "everything".to_owned(), 0),
            (of, "Palisade::Object::\"pool-data/acme/odd/c\"", false, "everything".to_owned(), 1),
        ]
    );
    assert!(permitted.asked[2].errors[0].contains("broken"), "{permitted:?}");
    assert_eq!(permitted.denial.unwrap().to_string(), "guard.cedar: policy kept forbids s3:DeleteObject of Object");
}

#[tokio::test]
async fn what_is_permitted_has_no_denial() {
    let permitted = explained(&s3(EVERYTHING), deletes(&["acme/a", "acme/b"])).await.permitted.unwrap();
    assert_eq!(permitted.asked.iter().map(|asked| asked.is_permitted).collect::<Vec<_>>(), [true, true]);
    assert!(permitted.denial.is_none(), "{permitted:?}");
}

/// Why nothing is asked is told in place of the questions.
#[tokio::test]
async fn what_cannot_be_asked_is_told_as_a_denial() {
    let (bench, _, _folder) = Bench::awaiting("{s3: {}}", &format!("{{{S3}}}"), EVERYTHING);
    let permitted = explained(&bench, deletes(&["acme/a"])).await.permitted.unwrap();
    assert_eq!((permitted.asked.len(), permitted.denial.unwrap().to_string().as_str()), (0, "guard.cedar: there are no policies"));
    let permitted = explained(&s3(EVERYTHING), request("POST /pool-data?delete", HOST, &[], "")).await.permitted.unwrap();
    let why = permitted.denial.unwrap().to_string();
    assert!(permitted.asked.is_empty() && why.starts_with("guard.cedar: what the request is about cannot be told: "), "{why}");
}
