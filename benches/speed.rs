//! Speed as quotients measured in one run: ours and the yardstick R in turn, A B A B.
//!
//! `cargo bench --bench speed`. Absolute times on a shared machine mean little; the median of the quotients repeats.

mod yardstick;

use rollout_sim::simulation;
use std::time::Instant;

fn main() {
    let hours: u64 = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(24);
    let article = tmp::scenario(hours);
    let mut q = vec![];
    for _ in 0..5 {
        let t = Instant::now();
        let (requests, sum) = yardstick::play(hours * 3600);
        let r = t.elapsed().as_secs_f64() * 1e9 / requests as f64;
        std::hint::black_box(sum);
        let t = Instant::now();
        let run = simulation::run(&article, 1);
        let ours = t.elapsed().as_secs_f64() * 1e9 / run.requests.total as f64;
        println!(
            "R {r:.1} ours {ours:.1} quotient {:.3} total {} elb {:?} peak {}",
            ours / r,
            run.requests.total,
            run.requests,
            run.pods.peak
        );
        q.push(ours / r);
    }
    q.sort_by(f64::total_cmp);
    println!("median {:.3}", q[q.len() / 2]);
}

mod tmp {
    use rollout_sim::model::application::*;
    use rollout_sim::model::load_balancer::*;
    use rollout_sim::model::load_balancer_controller::*;
    use rollout_sim::model::pod::*;
    use rollout_sim::model::rollout::step::*;
    use rollout_sim::model::rollout::*;
    use rollout_sim::model::scheduler::*;
    use rollout_sim::model::traffic::*;
    use rollout_sim::random::*;
    use rollout_sim::scenario::*;
    use rollout_sim::units::*;
    pub fn scenario(hours: u64) -> Scenario {
        let p = |w: i64| Percent::try_from(w).unwrap();
        let pause = Step::Pause(Some(Duration::secs(60)));
        let mut steps = vec![
            Step::SetCanaryScale(CanaryScale::Weight(p(20))),
            Step::SetWeight(p(0)),
            pause,
            Step::SetCanaryScale(CanaryScale::MatchTrafficWeight),
        ];
        for w in [10, 60, 80, 90, 100] {
            steps.push(Step::SetWeight(p(w)));
            steps.push(pause);
        }
        Scenario {
            name: "x".into(),
            title: "x".into(),
            seed: 1,
            seeds: None,
            simulation: SimulationSpec {
                warmup: Duration::secs(60),
                cooldown: Duration::secs(60),
                duration: (hours > 0).then_some(Duration::secs(hours * 3600)),
                horizon: Duration::secs(7200),
            },
            traffic: TrafficSpec {
                rate: "15000/min".parse().unwrap(),
                arrivals: Arrivals::Poisson,
                service_time: Distribution::LogNormal {
                    median: Duration::millis(40),
                    tail: Tail::P99(Duration::millis(400)),
                },
            },
            rollout: RolloutSpec {
                replicas: 10,
                min_ready: Duration::ZERO,
                steps,
                dynamic_stable_scale: true,
                scale_down_delay: Duration::secs(30),
                max_unavailable: 2,
            },
            pod: PodSpec {
                grace_period: Duration::secs(90),
                pre_stop: Some(Duration::secs(60)),
                readiness_probe: Some(ReadinessProbe {
                    initial_delay: Duration::ZERO,
                    period: Duration::secs(5),
                    timeout: Duration::secs(1),
                    success_threshold: 1,
                    failure_threshold: 3,
                }),
            },
            target_group: TargetGroupSpec {
                interval: Duration::secs(10),
                timeout: Duration::secs(5),
                healthy_threshold: 2,
                unhealthy_threshold: 2,
                deregistration_delay: Duration::secs(30),
                minimum_healthy_targets: 1,
            },
            application: ApplicationSpec {
                startup_time: Distribution::secs(15),
                on_sigterm: OnSigterm::Drain,
                sigterm_reaction: Distribution::millis(100),
                drain_until: DrainUntil::ConnectionsClosed,
                drain_timeout: Duration::secs(30),
                keep_alive: Duration::secs(75),
                keep_alive_race_window: Duration::millis(1),
                concurrency: 64,
                backlog: 4096,
            },
            cluster: ClusterSpec {
                nodes: 5,
                api_write: Distribution::millis(15),
                scheduling: Distribution::millis(20),
                sandbox_creation: Distribution::uniform_millis(500, 1500),
                image_pull: Distribution::secs(2),
                container_start: Distribution::uniform_millis(200, 500),
                container_seen: Distribution::uniform_millis(100, 1000),
                kubelet_notices_delete: Distribution::uniform_millis(50, 300),
                sandbox_removal: Distribution::uniform_millis(200, 1000),
                pod_removal: Distribution::uniform_millis(1000, 4000),
                replica_set_sync: Distribution::millis(30),
                replica_set_status: Distribution::uniform_millis(50, 300),
                endpoint_slice: Distribution::uniform_millis(60, 400),
                host_unreachable_share: 0.2,
            },
            rollouts_controller: RolloutsControllerSpec { reconcile_delay: Distribution::millis(100) },
            load_balancer_controller: LoadBalancerControllerSpec {
                rule_lag: Distribution::secs(70),
                reconcile_time: Duration::secs(2),
                queue: QueueDiscipline::WorkQueue,
                target_lag: Distribution::LogNormal {
                    median: Duration::millis(700),
                    tail: Tail::P95(Duration::secs(3)),
                },
                deregister_targets: Distribution::millis(50),
                register_targets: Distribution::millis(100),
            },
            load_balancer: LoadBalancerSpec {
                nodes: 3,
                rule_batch: Duration::secs(10),
                rule_push: Distribution::uniform_millis(0, 5000),
                registration: Distribution::uniform_millis(1000, 5000),
                first_health_check: Distribution::uniform_millis(0, 5000),
                deregistration: Distribution::Triangular {
                    min: Duration::secs(2),
                    mode: Duration::secs(10),
                    max: Duration::secs(20),
                },
                initial_passes: 1,
                empty_target_group: EmptyTargetGroup::LastKnownTargets,
                initial_only: InitialOnly::Answer503,
                target_group_selection: TargetGroupSelection::Random,
                connect_timeout: Duration::secs(10),
                idle_timeout: Duration::secs(60),
            },
        }
    }
}
