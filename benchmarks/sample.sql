-- A hundred thousand pictures that are ready, of the user whose id is :user, the first hundred of them in a collection.
-- Triggers count what each user has, row by row: for so many rows in one statement that takes minutes.
SET session_replication_role = replica;
INSERT INTO images (image_id, user_id, s3_bucket, s3_key, title, description, status, generation, date_created,
                    date_updated, width, height, colors, thumbs, placeholder, content_type, bytes, source_etag, recipe)
SELECT md5('image' || n)::uuid::text, :'user', 'imghost', 'bench/' || to_char(n, 'FM000000') || '.jpg',
       'Picture ' || n, 'A picture of the benchmark', 'ready', 1, now() - n * interval '1 second',
       now() - n * interval '1 second', 4000, 3000,
       '["#4a6b8a", "#d2c3a1", "#2e2b26", "#8b7355", "#a9b7c6", "#5f7f5a", "#c08f6a", "#e9e4da", "#31475e", "#7a6a58"]',
       '[{"square": 64, "width": 64, "height": 48}, {"square": 128, "width": 128, "height": 96},
         {"square": 256, "width": 256, "height": 192}, {"square": 512, "width": 512, "height": 384}]',
       'LEHV6nWB2yk8pyo0adR*.7kCMdnj', 'image/jpeg', 3456789, md5('etag' || n), 1
  FROM generate_series(1, 100000) n;
INSERT INTO collections (collection_id, user_id, name, date_created)
SELECT md5('collection' || size)::uuid::text, :'user', 'bench-' || size, now() FROM unnest(ARRAY[100, 1000]) size;
INSERT INTO memberships (collection_id, image_id)
SELECT md5('collection' || size)::uuid::text, md5('image' || n)::uuid::text
  FROM unnest(ARRAY[100, 1000]) size, generate_series(1, size) n ORDER BY size, n;
INSERT INTO use_of_users (user_id, images, bytes, collections)
SELECT :'user', count(*), sum(bytes), 2 FROM images WHERE user_id = :'user';
RESET session_replication_role;
VACUUM ANALYZE;
