-- Counts a batch of requests against the windows of one API. What is asked, and what the answer says, is written down in
-- limen.gate.counting; by which time windows open and end, in limen.cluster.timescale.
--
-- Whoever calls it names the windows once, in one order that is the same everywhere, and each of them by its place from
-- then on: so all lock them in this order, and none waits for another in a circle. Nothing is decided (told_decided) where
-- the caller's place on the scale is not known.
create function limen_count(
    asked_api text, asked_base bigint, earliest double precision, latest double precision, settled boolean,
    names text[], holders bytea[],
    back_window int[], back_opened bigint[], back_units bigint[],
    sizes int[],
    claim_window int[], claim_count bigint[], claim_length double precision[], claim_shadow boolean[],
    claim_least bigint[], claim_most bigint[], claim_parts bigint[],
    out told_wall double precision, out told_shift double precision, out told_version bigint, out told_base bigint,
    out told_seen double precision, out told_decided boolean,
    out granted boolean[], out units bigint[], out free bigint[], out ends_in double precision[], out opened bigint[]
) language plpgsql as $$
declare
    place int;
    claim int := 0;
    size int;
    known int;
    rest bigint;
    taken bigint;
    room boolean;
    rests bigint[] := claim_count;
    held_used bigint[];
    held_ends double precision[];
    held_opened bigint[];
    changed int[] := '{}';
begin
    select c.shift, c.version, c.base, c.seen into told_shift, told_version, told_base, told_seen from window_clock c;
    told_decided := asked_base is not distinct from told_base;
    if not told_decided then
        told_wall := extract(epoch from clock_timestamp());
        return;
    end if;

    select count(*) into known from unnest(names, holders) k (name, holder)
        join windows w on w.api = asked_api and w.windows = k.name and w.whose = k.holder;
    if known < cardinality(names) then  -- rows that are not there yet are made and locked in the order of all
        for place in 1 .. cardinality(names) loop
            loop
                perform 1 from windows w
                    where w.api = asked_api and w.windows = names[place] and w.whose = holders[place] for update;
                exit when found;
                insert into windows (api, windows, whose, ends_at, used, opened)
                    values (asked_api, names[place], holders[place], 0, 0, 0) on conflict do nothing;
            end loop;
        end loop;
    end if;
    select array_agg(h.used order by h.place), array_agg(h.ends_at order by h.place), array_agg(h.opened order by h.place)
        into held_used, held_ends, held_opened
        from (
            select k.place, w.used, w.ends_at, w.opened
                from unnest(names, holders) with ordinality k (name, holder, place)
                join windows w on w.api = asked_api and w.windows = k.name and w.whose = k.holder
                order by k.place for update of w
        ) h;
    told_wall := extract(epoch from clock_timestamp());
    if coalesce(cardinality(held_used), 0) < cardinality(names) then  -- one was cleared away just now
        told_decided := false;
        return;
    end if;

    for at in 1 .. cardinality(back_window) loop
        place := back_window[at];
        if held_ends[place] > earliest and held_opened[place] = back_opened[at] then
            held_used[place] := greatest(0, held_used[place] - back_units[at]);
            changed := changed || place;
        end if;
    end loop;

    for request in 1 .. cardinality(sizes) loop
        size := sizes[request];
        room := true;
        for at in claim + 1 .. claim + size loop
            place := claim_window[at];
            rest := claim_count[at];
            if held_ends[place] > earliest then
                rest := greatest(0, rest - held_used[place]);
            end if;
            rests[at] := rest;
            if rest < claim_least[at] and not claim_shadow[at] then
                room := false;
            end if;
        end loop;
        granted[request] := room;
        for at in claim + 1 .. claim + size loop
            place := claim_window[at];
            taken := 0;
            if room and rests[at] >= claim_least[at] then
                taken := least(claim_most[at], greatest(claim_least[at], rests[at] / claim_parts[at]));
                if held_ends[place] <= earliest then
                    held_ends[place] := latest + claim_length[at];
                    held_opened[place] := greatest(held_opened[place] + 1, (latest * 1000000)::bigint);
                    held_used[place] := 0;
                end if;
                held_used[place] := held_used[place] + taken;
                changed := changed || place;
            end if;
            units[at] := taken;
            free[at] := rests[at] - taken;
            if held_ends[place] <= earliest then
                ends_in[at] := claim_length[at];
                opened[at] := 0;
            elsif room then  -- what is granted is spent until then: at least so long it stays open
                ends_in[at] := least(claim_length[at], greatest(0, held_ends[place] - latest));
                opened[at] := held_opened[place];
            else  -- who is refused comes again then: no longer than so long it stays open
                ends_in[at] := held_ends[place] - earliest;
                opened[at] := held_opened[place];
            end if;
        end loop;
        claim := claim + size;
    end loop;

    update windows w set used = held_used[k.place], ends_at = held_ends[k.place], opened = held_opened[k.place]
        from (select distinct c.place from unnest(changed) c (place)) k
        where w.api = asked_api and w.windows = names[k.place] and w.whose = holders[k.place];

    if settled and earliest > told_seen + 0.25
        and told_wall + told_shift between earliest - 0.05 and latest + 0.25
    then
        perform 1 from window_clock c where c.base = asked_base for update skip locked;
        if found then
            update window_clock c set seen = greatest(c.seen, earliest) where c.base = asked_base;
        end if;
    end if;
end
$$
