-- Counts requests against the windows of one API. What is asked, and what the answer says, is written down in
-- limen.gate.counting; by which time windows open and end, in limen.cluster.timescale. All moments are microseconds on
-- that scale: whole numbers, which a server's Lua answers unharmed.
--
-- KEYS  the clock, and two generations of windows: those opened since the last turn, and those before it. A turn comes
--       when the longest window has had its time, so that whatever is dropped ended long ago. Nothing expires by itself:
--       that would be by the wall clock.
-- ARGV  what is to be done, and what it needs: count, mend or bear.
--
-- Windows may have been lost: the server was started anew, another has taken its place, somebody emptied it. Then every
-- window counts as full for its length from when that was noticed.

local VOUCHED = 250000  -- who knows the time vouches for it again after so long

local function now()
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
end

local function whole(number)
    return string.format('%.0f', number)
end

local function read_clock(key)
    local found = redis.call('HMGET', key, 'era', 'born', 'lost', 'shift', 'version', 'base', 'seen', 'run', 'young', 'turns')
    if not found[1] then return nil end
    return {
        era = found[1], born = found[2] == '1', lost = tonumber(found[3]), shift = tonumber(found[4]),
        version = tonumber(found[5]), base = tonumber(found[6]), seen = tonumber(found[7]), run = found[8],
        young = tonumber(found[9]), turns = tonumber(found[10]),
    }
end

-- A clock that nothing has been counted by: nothing will be until it is born.
local function new_clock(keys, era, base, run)
    redis.call('DEL', keys[1], keys[2], keys[3])
    redis.call('HSET', keys[1], 'era', era, 'born', '0', 'lost', '0', 'shift', '0', 'version', '1', 'base', base,
        'seen', '0', 'run', run, 'young', '0', 'turns', '0')
    redis.call('HSET', keys[2], '', era)
    redis.call('HSET', keys[3], '', era)
    return read_clock(keys[1])
end

local function told(clock, wall, decided)
    return {wall, clock.shift, clock.version, clock.base, clock.seen, decided and 1 or 0, clock.era, clock.born and 1 or 0}
end

-- What is not there as it was left has been lost. Turns the generations when it is time.
local function look(keys, clock, run, earliest, latest, longest)
    local whole_still = clock.run == run
    for number = 2, 3 do
        if redis.call('HGET', keys[number], '') ~= clock.era then
            whole_still = false
            redis.call('HSET', keys[number], '', clock.era)
        end
    end
    if not whole_still then
        clock.lost = latest
        redis.call('HSET', keys[1], 'lost', whole(latest), 'run', run)
    end
    if earliest >= clock.turns then
        clock.young = 1 - clock.young
        clock.turns = latest + longest
        redis.call('UNLINK', keys[2 + clock.young])
        redis.call('HSET', keys[2 + clock.young], '', clock.era)
        redis.call('HSET', keys[1], 'young', clock.young, 'turns', whole(clock.turns))
    end
end

local function count(keys, args)
    local run, base, earliest, latest = args[2], tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
    local settled, returns, requests = args[6] == '1', tonumber(args[10]), tonumber(args[11])
    local wall = now()
    local clock = read_clock(keys[1]) or new_clock(keys, args[7], args[8], run)
    if not clock.born or base ~= clock.base then return told(clock, wall, false) end
    look(keys, clock, run, earliest, latest, tonumber(args[9]))

    local known = {}
    local function window(field)
        local found = known[field]
        if found then return found end
        for _, place in ipairs({2 + clock.young, 3 - clock.young}) do
            local kept = redis.call('HGET', keys[place], field)
            if kept then
                local ends, used, opened = string.match(kept, '(%d+) (%d+) (%d+)')
                found = {place = place, ends = tonumber(ends), used = tonumber(used), opened = tonumber(opened)}
                break
            end
        end
        found = found or {place = 2 + clock.young, ends = 0, used = 0, opened = 0}
        known[field] = found
        return found
    end

    local at = 12
    for _ = 1, returns do
        local found = window(args[at])
        if found.ends > earliest and whole(found.opened) == args[at + 1] then
            found.used = math.max(0, found.used - tonumber(args[at + 2]))
            found.changed = true
        end
        at = at + 3
    end

    local answer = told(clock, wall, true)
    for _ = 1, requests do
        local claims, room = {}, true
        local size = tonumber(args[at])
        at = at + 1
        for number = 1, size do
            local claim = {
                window = window(args[at]), count = tonumber(args[at + 1]), length = tonumber(args[at + 2]),
                shadow = args[at + 3] == '1', least = tonumber(args[at + 4]), most = tonumber(args[at + 5]),
                parts = tonumber(args[at + 6]),
            }
            at = at + 7
            claim.rest = claim.count
            -- Whoever was not sure of the time when it opened a window gave it more than its length.
            if claim.window.ends > latest + claim.length then
                claim.window.ends, claim.window.changed = latest + claim.length, true
            end
            if clock.lost > 0 and clock.lost + claim.length > earliest then
                claim.rest = 0
                claim.full = clock.lost + claim.length
            elseif claim.window.ends > earliest then
                claim.rest = math.max(0, claim.count - claim.window.used)
            end
            if claim.rest < claim.least and not claim.shadow then room = false end
            claims[number] = claim
        end
        answer[#answer + 1] = room and 1 or 0
        for number = 1, size do
            local claim = claims[number]
            local found, units = claim.window, 0
            if room and claim.rest >= claim.least then
                units = math.min(claim.most, math.max(claim.least, math.floor(claim.rest / claim.parts)))
                if found.ends <= earliest then
                    if found.place ~= 2 + clock.young then
                        found.left, found.place = found.place, 2 + clock.young
                    end
                    found.ends, found.used = latest + claim.length, 0
                    found.opened = math.max(found.opened + 1, latest)
                end
                found.used, found.changed = found.used + units, true
            end
            local ends_in = claim.length
            if claim.full then
                ends_in = claim.full - earliest
            elseif found.ends > earliest then
                -- what is granted is spent until then; who is refused comes again then
                ends_in = math.min(claim.length, room and math.max(0, found.ends - latest) or found.ends - earliest)
            end
            answer[#answer + 1] = units
            answer[#answer + 1] = claim.rest - units
            answer[#answer + 1] = ends_in
            answer[#answer + 1] = found.ends > earliest and found.opened or 0
        end
    end

    for field, found in pairs(known) do
        if found.left then redis.call('HDEL', keys[found.left], field) end
        if found.changed then
            redis.call('HSET', keys[found.place], field,
                whole(found.ends) .. ' ' .. whole(found.used) .. ' ' .. whole(found.opened))
        end
    end
    if settled and earliest > clock.seen + VOUCHED
        and wall + clock.shift >= earliest - 50000 and wall + clock.shift <= latest + 250000 then
        redis.call('HSET', keys[1], 'seen', whole(earliest))
    end
    return answer
end

-- Put the scale right, unless another did so meanwhile.
local function mend(keys, args)
    local clock = read_clock(keys[1])
    if not clock or clock.version ~= tonumber(args[2]) then return 0 end
    redis.call('HSET', keys[1], 'shift', args[3], 'base', args[4], 'version', clock.version + 1)
    return 1
end

-- From now on it is counted by the clock of this era: the first ever, or one that follows on windows that are lost.
local function bear(keys, args)
    local clock = read_clock(keys[1])
    if not clock or clock.era ~= args[2] or clock.born then return 0 end
    redis.call('HSET', keys[1], 'born', '1', 'lost', args[3] == '1' and '0' or whole(now() + clock.shift))
    return 1
end

local function limen(keys, args)
    if args[1] == 'count' then return count(keys, args) end
    if args[1] == 'mend' then return mend(keys, args) end
    return bear(keys, args)
end
