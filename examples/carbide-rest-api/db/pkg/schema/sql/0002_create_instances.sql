-- SPDX-License-Identifier: Apache-2.0
create table instances (
    id         uuid primary key,
    name       text not null check (name <> ''),
    site       text references sites (name),
    address    inet not null unique,
    created_at timestamptz not null default now()
);
