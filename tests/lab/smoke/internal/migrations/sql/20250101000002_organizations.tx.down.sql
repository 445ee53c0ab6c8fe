DROP TABLE IF EXISTS organizations;
DROP TABLE IF EXISTS business_units;
DROP TABLE IF EXISTS us_states;
