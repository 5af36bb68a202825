-- SPDX-License-Identifier: Apache-2.0
create table sites (
    name     text primary key,
    location text not null default ''
);
