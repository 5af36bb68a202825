-- SPDX-License-Identifier: Apache-2.0
alter table instances
    add column state text not null default 'pending'
    check (state in ('pending', 'provisioning', 'ready'));

create index instances_by_state on instances (state);
