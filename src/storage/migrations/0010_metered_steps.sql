-- A metered step on a full budget is denied even when it asks for nothing: the admission says whether it is one.
alter type stepgate.admission add attribute is_metered boolean;
drop function stepgate.reserve_budget(uuid, uuid, bigint, bigint, boolean);
