"""The types of settings as keywords. Written from `mrmesos/conf/` by `python -m mrmesos.conf`."""

from __future__ import annotations

from typing import Literal, TypedDict


class SettingTypes(TypedDict, total=False):
    """The keywords of `Settings`."""

    job_name: str
    chain_fuse: bool
    job_reduces: int | Literal["auto"]
    job_maps: int
    job_maps_max: int
    job_outputs_max: int
    split_minsize: int
    split_maxsize: int
    input_spool_maxbytes: int
    output_overwrite: bool
    output_lazy: bool
    dfs_namenode_http_address: str
    job_priority: str
    job_pool: str
    job_constraints: str
    job_fail_if_impossible: bool
    job_role: str
    map_maxattempts: int
    reduce_maxattempts: int
    map_cpus: float
    map_memory_mb: int
    map_resources: str
    map_resources_global: str
    reduce_resources_global: str
    reduce_cpus: float
    reduce_memory_mb: int
    reduce_resources: str
    task_memory_max_mb: int
    job_reduce_slowstart_completedmaps: float
    map_reduce_ratio: float
    job_maxtaskfailures_per_tracker: int
    map_speculative: bool
    reduce_speculative: bool
    job_speculative_speculative_cap_running_tasks: float
    job_speculative_minimum_allowed_tasks: int
    job_speculative_lag: float
    job_speculative_slowtaskthreshold: float
    task_timeout: float
    skip_records_max: int
    task_userlog_limit_kb: int
    task_profile: str
    task_profile_maps: str
    task_profile_reduces: str
    job_traceparent: str
    job_end_notification_url: str
    job_end_notification_retry_attempts: int
    job_end_notification_retry_interval: int
    job_end_notification_timeout: int
    io_sort_mb: int | Literal["auto"]
    io_sort_factor: int
    map_output_compress_codec: str
    reduce_shuffle_parallelcopies: int
    reduce_shuffle_buffer_mb: int | Literal["auto"]
    reduce_shuffle_fetch_retries: int
    reduce_shuffle_connect_timeout: float
    reduce_shuffle_read_timeout: float
    jobtracker_token_file: str
    jobtracker_bearer_tokens: bool
    jobtracker_metrics_public: bool
    tasktracker_metrics_public: bool
    http_allowed_hosts: str
    tls_certificate_file: str
    tls_key_file: str
    tls_ca_file: str
    pickle_key_file: str
    jobtracker_http_address: str
    jobtracker_state_dir: str
    jobtracker_zk_session_seconds: float
    jobtracker_master_away_seconds: float
    jobtracker_retired_jobs_max: int
    jobtracker_jobhistory_location: str
    jobhistory_max_age_days: float
    jobhistory_max_mb: int
    jobtracker_jobs_max: int
    jobtracker_tasktracker_maxblacklists: int
    jobtracker_tasktracker_forgive_seconds: float
    scheduler: str
    pools: str
    pools_file: str
    resources_global: str
    queue_lease_seconds: float
    fairscheduler_preemption_timeout: float
    jobtracker_store_timeout_seconds: float
    jobtracker_store_threads: int
    jobtracker_end_notification_hosts: str
    otel_exporter_otlp_endpoint: str
    log_format: str
    mesos_role: str
    mesos_cpus_max: float
    mesos_mem_max_mb: int
    mesos_gpus_max: int
    maintenance_drain_seconds: float
    trackers_minimum: int
    mesos_user: str
    mesos_framework_name: str
    mesos_failover_timeout: float
    mesos_teardown_timeout: float
    mesos_checkpoint: bool
    mesos_principal: str
    mesos_secret_file: str
    offer_refuse_seconds_idle: float
    offer_refuse_seconds_busy: float
    locality_wait_node: str
    locality_wait_rack: str
    net_topology_table_file_name: str
    net_topology_script_file_name: str
    slot_lease_seconds: float
    tasktracker_command: str
    tasktracker_package: str
    tasktracker_container_image: str
    tasktracker_cache_mb: int
    tasktracker_userlog_dir: str
    tasktracker_userlog_mb: int
    jobtracker_cache_mb: int
    job_cache_limit_max_single_resource_mb: int
    tasktracker_environment: str
    tasktracker_cpus: float
    tasktracker_memory_mb: int
    tasktracker_idle_seconds: float
    tasktracker_heartbeat_seconds: float
    tasktracker_silence_seconds: float
    tasktracker_expiry_seconds: float
