//! Ten minutes without STS.

use super::*;
use crate::{config::BudgetConfig, credentials::testing::pass};

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_sts_cost_no_request_and_end_without_a_herd() {
    const TENANTS: u32 = 200;
    let quarter = SECOND / 4;
    for how in [Answer::Fail(StsError::Unavailable("connection reset".into())), Answer::Hang] {
        let rig = Arc::new(Rig::new(|config| {
            config.refresh.ahead = 14 * MINUTE;
            config.budget = BudgetConfig { requests_per_second: 5.0, burst: 10, ..config.budget };
        }));
        let everybody = async || {
            for n in 0..TENANTS {
                rig.get(&format!("tenant-{n}")).await.expect("its session is still good");
            }
        };
        let maintaining = tokio::spawn({
            let rig = Arc::clone(&rig);
            async move { rig.broker.maintain().await }
        });
        for n in 0..TENANTS {
            pass(&rig.clock, SECOND, SECOND).await;
            rig.get(&format!("tenant-{n}")).await.unwrap();
        }
        // All become due within the outage, and none ends in it.
        pass(&rig.clock, 20 * MINUTE, MINUTE / 2).await;
        everybody().await;
        pass(&rig.clock, 25 * MINUTE - SECOND * TENANTS, MINUTE / 2).await;
        everybody().await;
        let before = rig.sts.calls();
        assert_eq!(before, TENANTS as usize, "nothing was due yet");
        rig.sts.answer(how.clone());
        for _ in 0..120 {
            pass(&rig.clock, 5 * SECOND, quarter).await;
            everybody().await;
        }
        let during = rig.sts.calls() - before;
        assert!((100..=10 + 5 * 600).contains(&during), "{during} calls during the outage");
        rig.sts.answer(Answer::Issue(HOUR));
        let mut most = 0;
        for _ in 0..120 {
            let before = rig.sts.calls();
            pass(&rig.clock, SECOND, quarter).await;
            most = most.max(rig.sts.calls() - before);
            everybody().await;
        }
        assert!(most <= 10 + 5, "{most} calls in one second");
        let until = rig.clock.unix_seconds() + 50 * 60;
        let renewed = rig.broker.sessions().iter().filter(|session| session.expires > until).count();
        assert_eq!(renewed, TENANTS as usize, "all of them, within two minutes");
        maintaining.abort();
    }
}
